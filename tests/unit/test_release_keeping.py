"""Pins, and releases that go without breaking the way back."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.domain.artifacts import ReleaseMetadata
from jobs.domain.errors import BadInput
from jobs.release_keeping import pin, pinned, remove, unpin
from jobs.release_publishing import publish_release
from jobs.releases import CAME_AFTER, Releases

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    """v0 to v4, each after the one before, v4 live."""
    found = Releases(tmp_path / "releases", lambda live, other: other, lambda _: True)
    found.models.mkdir(parents=True)
    for number in range(5):
        name = f"v{number}"
        publish_release(found, ReleaseMetadata(name=name, created_at=NOW, targets={}), "collections: {}\n", Path.touch)
        found.switch(name)
        found.confirm(name)
    return found


def test_pins_are_kept_on_disk_and_may_be_set_twice(releases: Releases) -> None:
    for _ in range(2):
        pin(releases, "v1")
    assert pinned(Releases(releases.root, lambda live, other: other, lambda _: True)) == {"v1"}
    for _ in range(2):
        unpin(releases, "v1")
    assert pinned(releases) == frozenset()


def test_only_what_exists_can_be_pinned(releases: Releases) -> None:
    for act in (pin, unpin):
        with pytest.raises(BadInput, match="no usable release v9"):
            act(releases, "v9")


def test_live_previous_and_pinned_releases_are_never_removed(releases: Releases) -> None:
    pin(releases, "v1")
    assert [remove(releases, name) for name in ("v4", "v3", "v1")] == [False] * 3
    assert releases.names() == ["v0", "v1", "v2", "v3", "v4"]


def test_the_way_back_leads_past_a_removed_release(releases: Releases) -> None:
    assert remove(releases, "v2")
    assert (releases.directory("v3") / CAME_AFTER).read_text() == "v1"
    assert [releases.roll_back() for _ in range(3)] == ["v3", "v1", "v0"]


def test_a_release_that_was_skipped_by_a_withdrawn_one_is_still_the_way_back(releases: Releases) -> None:
    (releases.directory("v3") / "WITHDRAWN").touch()
    assert releases.before("v4") == "v2"
    assert not remove(releases, "v2") and remove(releases, "v3")
    assert releases.roll_back() == "v2"


def test_a_switch_waits_for_a_removal_and_is_then_refused_in_words(releases: Releases) -> None:
    told: list[str] = []

    def switch() -> None:
        try:
            releases.switch("v1")
        except BadInput as error:
            told.append(error.message)

    with releases.one_at_a_time():
        thread = threading.Thread(target=switch)
        thread.start()
        thread.join(0.2)
        assert thread.is_alive(), "it waits"
        releases.directory("v1").rename(releases.root / "gone")
    thread.join(10)
    assert releases.live() == "v4" and told[0].startswith("there is no")
