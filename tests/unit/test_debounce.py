"""A burst of edits is one scan, a busy folder is still scanned, and a sleep is noticed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.debounce import Dirty, Moment, due_in, has_slept, rest_after, retry_after, scan_due

moments = st.floats(0, 1e6)


def test_nothing_changed_nothing_is_due() -> None:
    assert not scan_due(None, now=1e9, quiet=10, at_most=60)


@given(first=moments, now=moments)
def test_a_scan_waits_for_quiet(first: float, now: float) -> None:
    dirty = Dirty(first=first, last=first)
    assert scan_due(dirty, now=now, quiet=10, at_most=60) == (now - first >= 10)


@given(first=moments, touches=st.lists(st.floats(0, 5), max_size=100))
def test_it_never_waits_longer_than_at_most(first: float, touches: list[float]) -> None:
    dirty = Dirty(first=first, last=first)
    for gap in touches:
        dirty = dirty.touched(dirty.last + gap)
    assert scan_due(dirty, now=first + 60.001, quiet=10, at_most=60)


@given(first=moments, touched=st.floats(0, 60))
def test_the_moment_of_the_next_scan_is_known_to_whoever_waits_for_it(first: float, touched: float) -> None:
    dirty = Dirty(first=first, last=first).touched(first + touched)
    wait = due_in(dirty, now=dirty.last, quiet=10, at_most=60)
    assert wait <= 10 and scan_due(dirty, now=dirty.last + wait + 1e-6, quiet=10, at_most=60)
    assert wait <= 0.001 or not scan_due(dirty, now=dirty.last + wait - 0.001, quiet=10, at_most=60)


@given(at=moments, passed=moments, slept=st.floats(10.1, 1e6), start=st.floats(1.7e9, 1.9e9))
def test_a_sleep_shows_as_clocks_that_differ(at: float, passed: float, slept: float, start: float) -> None:
    before = Moment(monotonic=at, wall=start)
    awake = Moment(monotonic=at + passed, wall=start + passed)
    assert not has_slept(before, awake)
    assert has_slept(before, Moment(monotonic=at + passed, wall=start + passed + slept))


@given(seconds=st.floats(10.1, 1e8))
def test_a_clock_set_back_is_noticed_too(seconds: float) -> None:
    assert has_slept(Moment(monotonic=0, wall=1.8e9), Moment(monotonic=0.5, wall=1.8e9 - seconds))


@given(failures=st.integers(1, 10_000))
def test_retries_come_ever_slower_but_never_stop(failures: int) -> None:
    assert retry_after(1, 3600) == 5
    assert retry_after(failures, 3600) <= retry_after(failures + 1, 3600) <= 3600


def test_scans_take_a_tenth_of_the_time_at_most() -> None:
    assert 3.0 / (3.0 + rest_after(3.0)) <= 0.1
