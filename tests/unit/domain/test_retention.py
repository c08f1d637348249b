from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.retention import Stored, keep_checkpoints, keep_releases, keep_stored

releases = st.sets(st.integers(0, 40).map(lambda number: f"v{number}"))
some_release = st.integers(0, 40).map(lambda number: f"v{number}")
stored = st.lists(
    st.builds(
        Stored,
        name=st.text("abcdef", min_size=4, max_size=4),
        used_at=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),
    ),
    unique_by=lambda entry: entry.name,
)


def test_the_newest_release_is_found_by_number_not_by_spelling():
    names = ["v8", "v9", "v10", "v11"]
    assert keep_releases(names, live=None, previous=None, pinned=(), last=2) == {"v10", "v11"}


@given(releases, st.none() | some_release, st.none() | some_release, st.sets(some_release), st.integers(0, 6))
def test_live_previous_pinned_and_adopted_releases_are_always_kept(names, live, previous, pinned, last):
    kept = keep_releases(names, live=live, previous=previous, pinned=pinned, last=last)
    special = names & {"v0", live, previous, *pinned}
    assert special <= kept <= names
    assert len(kept - special) == min(last, len(names - special))


@given(releases, some_release, st.integers(0, 6))
def test_no_dropped_release_is_newer_than_a_kept_other(names, live, last):
    kept = keep_releases(names, live=live, previous=None, pinned=(), last=last)
    dropped = [int(name[1:]) for name in names - kept]
    others = [int(name[1:]) for name in kept - {live, "v0"}]
    assert not dropped or not others or max(dropped) < min(others)


@given(releases, some_release, st.integers(0, 6))
def test_keeping_twice_is_keeping_once(names, live, last):
    kept = keep_releases(names, live=live, previous=None, pinned=(), last=last)
    assert keep_releases(kept, live=live, previous=None, pinned=(), last=last) == kept


def test_a_folder_that_is_no_release_is_left_alone():
    names = ["models", "v01", "notes v2", "v3"]
    assert keep_releases(names, live=None, previous=None, pinned=(), last=0) == {"models", "v01", "notes v2"}


@given(stored, st.integers(0, 5), st.data())
def test_what_is_needed_is_kept_beside_the_latest_others(entries, last, data):
    names = [entry.name for entry in entries]
    needed = set(data.draw(st.lists(st.sampled_from(names)))) if names else set()
    kept = keep_stored(entries, needed=needed, last=last)
    others = [entry for entry in entries if entry.name not in needed]
    assert needed <= kept
    assert len(kept) == len(needed) + min(last, len(others))
    oldest_kept = min((entry.used_at for entry in others if entry.name in kept), default=None)
    assert all(oldest_kept is None or entry.used_at <= oldest_kept for entry in others if entry.name not in kept)


@given(st.sets(st.integers(0, 1000)), st.integers(0, 4), st.none() | st.integers(0, 1000))
def test_a_run_never_loses_its_newest_or_its_best_checkpoint(steps, last, best):
    kept = keep_checkpoints(steps, last=last, best=best)
    assert kept <= steps
    assert not steps or max(steps) in kept
    assert best not in steps or best in kept
    assert len(kept - {best}) <= max(1, last)
