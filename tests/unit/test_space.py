"""A heavy job that does not fit on the volume waits, says so, and goes on by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from config.load import load_settings
from config.paths import Home
from daemon.housekeeping import Housekeeper
from daemon.ledger.books import Books, open_books
from daemon.ledger.records import Job, Owner
from daemon.ledger.room import waits_for_room
from daemon.space import LIGHT_BYTES, Space
from jobs.domain.errors import BadInput
from jobs.domain.examples import Target
from jobs.domain.recipe import plan_digest, smaller
from jobs.domain.room import ModelShape
from jobs.releases import Releases

NOW = datetime(2026, 1, 2, tzinfo=UTC)
OWNER = Owner(boot="boot", pid=1, started=1.0)
SHAPE = ModelShape(parameters=10**7, weights=4 * 10**7, beside=0, projections=0, sides=0)
PLENTY, NONE = 10**12, 10**6


class Disk:
    """A volume whose free space the test decides."""

    def __init__(self, tmp_path: Path) -> None:
        self.home = Home(root=tmp_path)
        self.books: Books = open_books(self.home.ledger)
        self.settings = load_settings(self.home.config_file)
        self.free = PLENTY
        releases = Releases(self.home.releases, lambda live, other: other, lambda _: True)
        keeper = Housekeeper(self.books, self.home, releases, self.settings.disk, self.books.database.transaction)
        self.space = Space(self.books, self.home, self.settings, keeper, self.measure, lambda: self.free)

    def measure(self, target: Target) -> ModelShape:
        return SHAPE

    def heavy_job(self, target: Target = "embedding") -> Job:
        """The baseline job of a new run."""
        started = self.books.jobs.start_run(target, cause="test", forced=False, now=NOW)
        assert started is not None
        claimed = self.books.jobs.claim(started[1].id, OWNER, NOW)
        assert claimed is not None
        assert self.books.jobs.finish(claimed, {"dataset": "d", "rows": {}}, "baseline", NOW)
        return self.books.jobs.in_state("queued")[-1]


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def test_with_room_it_starts_and_nothing_is_said(disk: Disk) -> None:
    assert disk.space.allows(disk.heavy_job())
    assert waits_for_room(disk.books) is None and disk.books.alerts.unread() == []


def test_without_room_it_waits_with_one_alert_and_the_figures(disk: Disk) -> None:
    job = disk.heavy_job()
    disk.free = NONE
    assert not disk.space.allows(job) and not disk.space.allows(job)
    waits = waits_for_room(disk.books)
    assert waits is not None and waits.job == job.id
    assert waits.room.missing == waits.room.needed + disk.settings.disk.reserve - NONE
    [alert] = disk.books.alerts.unread()
    assert alert.kind == "disk-low" and "iaipctl gc" in alert.body and "GB" in alert.body
    assert disk.books.jobs.job(job.id).attempts == 0


def test_once_there_is_room_it_goes_on_and_is_no_longer_said_to_wait(disk: Disk) -> None:
    job = disk.heavy_job()
    disk.free = NONE
    disk.space.allows(job)
    disk.free = PLENTY
    assert disk.space.allows(job)
    assert waits_for_room(disk.books) is None


def test_the_notes_are_followed_below_the_reserve_and_until_the_disk_is_full(disk: Disk) -> None:
    disk.free = disk.settings.disk.reserve - 1
    refresh = disk.books.jobs.want_refresh(NOW)
    assert refresh is not None and disk.space.allows(refresh)
    disk.home.examples_cache.parent.mkdir(parents=True)
    disk.home.examples_cache.write_bytes(b"x" * 1_000_000)
    disk.free = LIGHT_BYTES + 999_999
    assert not disk.space.allows(refresh)
    waits = waits_for_room(disk.books)
    assert waits is not None and waits.words.startswith(f"job {refresh.id} (refresh dataset) waits for room: 68 MB are")
    disk.free += 1
    assert disk.space.allows(refresh) and waits_for_room(disk.books) is None


def test_that_the_notes_are_no_longer_followed_is_said_before_that_a_training_waits(disk: Disk) -> None:
    heavy, refresh = disk.heavy_job(), disk.books.jobs.want_refresh(NOW)
    assert refresh is not None
    disk.free = NONE
    for job in (heavy, refresh, heavy):
        assert not disk.space.allows(job)
    waits = waits_for_room(disk.books)
    assert waits is not None and waits.job == refresh.id
    [alert] = disk.books.alerts.unread()
    assert "(refresh dataset)" in alert.body


def test_two_jobs_without_room_make_one_alert(disk: Disk) -> None:
    jobs = [disk.heavy_job("embedding"), disk.heavy_job("expansion")]
    disk.free = NONE
    for _ in range(3):
        assert not any(disk.space.allows(job) for job in jobs)
    assert len(disk.books.alerts.unread()) == 1


def test_a_cancelled_job_no_longer_waits(disk: Disk) -> None:
    job = disk.heavy_job()
    disk.free = NONE
    disk.space.allows(job)
    disk.books.jobs.move_waiting(job.id, ("queued",), "cancelled", NOW)
    assert waits_for_room(disk.books) is None


def test_it_clears_away_first(disk: Disk) -> None:
    job = disk.heavy_job()
    left = disk.home.stages / "baseline-0000000000000001"
    left.mkdir(parents=True)
    (left / "index.sqlite").write_bytes(b"x" * 10_000)
    disk.space._free = lambda: NONE if left.exists() else PLENTY
    assert disk.space.allows(job)
    assert not left.exists()


def test_what_the_run_has_written_already_is_not_asked_for_again(disk: Disk) -> None:
    job = disk.heavy_job()
    whole = disk.space._needed(job)
    work = disk.home.stages / "train-0000000000000001"
    work.mkdir(parents=True)
    (work / f"needed-by-run-{job.run}").write_text(plan_digest(disk.settings.embedding))
    (work / "weights").write_bytes(b"x" * 1_000_000)
    assert whole - disk.space._needed(job) == pytest.approx(1_000_000, rel=0.05)


def test_what_a_training_of_another_plan_left_is_room_that_this_one_will_not_use(disk: Disk) -> None:
    """After a restart of the machine the plan is a smaller one, in a directory of its own."""
    job = disk.heavy_job()
    whole = disk.space._needed(job)
    work = disk.home.stages / "train-0000000000000001"
    work.mkdir(parents=True)
    (work / f"needed-by-run-{job.run}").write_text(plan_digest(disk.settings.embedding))
    (work / "weights").write_bytes(b"x" * 1_000_000)
    again = msgspec.structs.replace(job, reboots=1)
    assert disk.space._needed(again) == whole
    (work / f"needed-by-run-{job.run}").write_text(plan_digest(smaller(disk.settings.embedding)))
    assert whole - disk.space._needed(again) == pytest.approx(1_000_000, rel=0.05)


def test_a_base_that_is_not_here_is_for_the_training_to_tell(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(target: Target) -> ModelShape:
        raise BadInput("not here", remedy="fetch it")

    monkeypatch.setattr(disk.space, "_measure", missing)
    assert disk.space.allows(disk.heavy_job())
