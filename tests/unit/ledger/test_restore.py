"""A damaged or lost ledger comes back from its newest good copy and from the releases, and says what is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.load import load_settings
from config.paths import Home
from daemon.housekeeping import Housekeeper, written_by
from daemon.ledger import snapshots
from daemon.ledger.database import Damaged
from daemon.ledger.records import Owner
from daemon.ledger.restore import open_or_restore, restore
from jobs.domain.artifacts import ReleaseMetadata
from jobs.domain.errors import BadInput
from jobs.release_publishing import publish_release
from jobs.releases import Releases
from jobs.workshop import RUN_MARK
from tests.unit.ledger.keeping import LATER, NOW, opened, snapshot


def publish(releases: Releases, name: str, run: int) -> None:
    metadata = ReleaseMetadata(name=name, created_at=LATER, targets={}, run=run, target="embedding")
    publish_release(releases, metadata, "collections: {}\n", Path.touch)
    releases.switch(name)
    releases.confirm(name)


def damage_a_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = bytes(byte ^ 0x5A for byte in content[4096:])
    path.write_bytes(content)


def overwrite(path: Path) -> None:
    path.write_bytes(b"Dear diary, " * 1000)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


every_harm = pytest.mark.parametrize("harm", [damage_a_page, overwrite, truncate, empty, remove])


@every_harm
def test_a_harmed_ledger_is_restored_with_an_alert_that_says_what_is_lost(
    home: Home, releases: Releases, harm: Callable[[Path], None]
) -> None:
    books = opened(home, releases)
    books.knowledge.set_fact("kept", "yes")
    snapshot(books, home)
    books.knowledge.set_fact("kept", "overwritten since")
    books.database.close()
    harm(home.ledger)
    books, restored = open_or_restore(home, releases, LATER)
    assert restored is not None and restored.since == NOW
    assert books.knowledge.fact("kept") == "yes"
    [alert] = books.alerts.unread()
    assert "2026-01-02 00:00 UTC" in alert.body and "untouched" in alert.body
    assert (restored.kept is not None) == (harm is not remove)
    assert open_or_restore(home, releases, LATER)[1] is None


@every_harm
def test_without_a_copy_the_ledger_starts_anew_and_the_releases_runs_are_known(
    home: Home, releases: Releases, harm: Callable[[Path], None]
) -> None:
    opened(home, releases).database.close()
    publish(releases, "v1", run=7)
    harm(home.ledger)
    books, restored = open_or_restore(home, releases, LATER)
    assert restored is not None and (restored.since, restored.runs) == (None, 1)
    run = books.jobs.run(7)
    assert (run.target, run.state, run.outcome) == ("embedding", "done", "promoted")
    assert books.knowledge.moment("last-run:embedding") == LATER
    started = books.jobs.start_run("embedding", cause="window", forced=False, now=LATER)
    assert started is not None and started[0].id == 8, "a run that had a release never shares its number"


def test_a_run_that_went_live_after_the_copy_is_not_done_again(home: Home, releases: Releases) -> None:
    books = opened(home, releases)
    started = books.jobs.start_run("embedding", cause="c", forced=False, now=NOW)
    assert started is not None
    books.jobs.claim(started[1].id, Owner(boot="b", pid=1, started=1.0), NOW)
    snapshot(books, home)
    books.database.close()
    publish(releases, "v1", run=started[0].id)
    overwrite(home.ledger)
    books, restored = open_or_restore(home, releases, LATER)
    assert restored is not None and restored.runs == 1
    assert books.jobs.run(started[0].id).outcome == "promoted"
    assert books.jobs.job(started[1].id).state == "cancelled"


@pytest.mark.parametrize("trace", [f"stages/train-0123456789abcdef/{RUN_MARK}9", "logs/jobs/31.log"])
def test_a_ledger_that_is_gone_while_runs_or_jobs_left_something_is_a_lost_one(
    home: Home, releases: Releases, trace: str
) -> None:
    (home.root / trace).parent.mkdir(parents=True)
    (home.root / trace).touch()
    books, restored = open_or_restore(home, releases, LATER)
    assert restored is not None and [alert.kind for alert in books.alerts.unread()] == ["ledger-restored"]


def test_a_first_start_restores_nothing(home: Home, releases: Releases) -> None:
    books, restored = open_or_restore(home, releases, LATER)
    assert restored is None and books.alerts.unread() == []


def test_numbers_that_lost_runs_and_jobs_left_on_the_disk_are_not_given_again(home: Home, releases: Releases) -> None:
    """Else the new run would keep, and be credited with, what another began."""
    books = opened(home, releases)
    snapshot(books, home)
    books.database.close()
    foreign = home.stages / "train-0123456789abcdef"
    foreign.mkdir(parents=True)
    (foreign / f"{RUN_MARK}9").touch()
    (home.logs / "jobs").mkdir(parents=True)
    (home.logs / "jobs" / "31.log").touch()
    overwrite(home.ledger)
    books = opened(home, releases)
    started = books.jobs.start_run("embedding", cause="c", forced=False, now=LATER)
    assert started is not None and (started[0].id, started[1].id) == (10, 32)
    assert written_by(started[0].id, home.stages, "") == {}
    keeper = Housekeeper(books, home, releases, load_settings(home.config_file).disk, books.database.transaction)
    assert [item.name for item in keeper.plan().items if item.kind == "stage"] == [foreign.name]


def test_a_damaged_copy_is_passed_over_for_the_one_before(home: Home, releases: Releases) -> None:
    books = opened(home, releases)
    for at in (NOW, LATER):
        snapshot(books, home, at)
    books.database.close()
    newest = snapshots.listed(home.snapshots)[0].path
    newest.chmod(0o600)
    damage_a_page(newest)
    assert [found.problem is None for found in snapshots.listed(home.snapshots)] == [False, True]
    overwrite(home.ledger)
    _, restored = open_or_restore(home, releases, LATER)
    assert restored is not None and restored.since == NOW


def mislead_an_index(path: Path, declared: str) -> None:
    """Its name and kind stay; what it holds no longer fits what it is declared to hold."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema=1")
        name = declared.split()[declared.split().index("INDEX") + 1]
        assert connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (declared, name)).rowcount == 1


def test_an_index_that_disagrees_with_its_table_is_found_once_a_day_and_made_anew_without_a_loss(
    home: Home, releases: Releases
) -> None:
    """quick_check passes it, and a job that is not found in its state is a lost job."""
    books = opened(home, releases)
    for cause in ("a", "b"):
        if started := books.jobs.start_run("embedding", cause=cause, forced=False, now=NOW):
            books.jobs.end_run(started[0].id, "done", None, "r", NOW)
    before = books.jobs.job(1)
    books.database.close()
    mislead_an_index(home.ledger, "CREATE INDEX job_by_state ON job (stage)")
    with pytest.raises(Damaged, match="job_by_state"):
        snapshots.take(home.ledger, home.snapshots, at=NOW)
    books, restored = open_or_restore(home, releases, LATER)
    assert restored is None and books.jobs.job(1) == before
    books.database.close()
    assert snapshots.take(home.ledger, home.snapshots, at=NOW).problem is None


def test_an_index_that_cannot_be_made_anew_is_a_damaged_ledger(home: Home, releases: Releases) -> None:
    books = opened(home, releases)
    snapshot(books, home)
    for cause in ("a", "b"):
        started = books.jobs.start_run("embedding", cause=cause, forced=False, now=NOW)
        assert started is not None
        books.jobs.end_run(started[0].id, "done", None, "r", NOW)
    books.database.close()
    mislead_an_index(home.ledger, "CREATE UNIQUE INDEX one_active_run_per_target ON run (target)")
    assert open_or_restore(home, releases, LATER)[1] is not None


def test_an_interrupted_restoration_is_done_again(home: Home, releases: Releases) -> None:
    books = opened(home, releases)
    books.knowledge.set_fact("kept", "yes")
    snapshot(books, home)
    books.database.close()
    overwrite(home.ledger)
    (home.root / "ledger.restoring").touch()
    home.ledger.unlink()  # killed between setting aside and putting back: without the mark this would be a first start
    books, restored = open_or_restore(home, releases, LATER)
    assert restored is not None and books.knowledge.fact("kept") == "yes"
    assert not (home.root / "ledger.restoring").exists()


def test_the_log_of_a_damaged_ledger_is_set_aside_with_it(home: Home, releases: Releases) -> None:
    overwrite(home.ledger)
    wal = Path(f"{home.ledger}-wal")
    wal.write_bytes(b"frames of another database")
    books, restored = open_or_restore(home, releases, LATER)
    assert restored is not None and restored.kept is not None
    assert (restored.kept / wal.name).read_bytes() == b"frames of another database"
    assert books.knowledge.fact("anything") is None


def test_a_ledger_out_of_reach_is_never_replaced(home: Home, releases: Releases) -> None:
    home.ledger.mkdir()
    with pytest.raises(BadInput, match="cannot be opened"):
        open_or_restore(home, releases, LATER)
    assert home.ledger.is_dir() and not home.damaged.exists()


def test_a_newer_ledger_is_never_replaced(home: Home, releases: Releases) -> None:
    opened(home, releases).database.close()
    with closing(sqlite3.connect(home.ledger)) as connection:
        connection.execute("PRAGMA user_version=99")
    with pytest.raises(BadInput, match="newer version"):
        open_or_restore(home, releases, LATER)
    assert not home.damaged.exists()


def test_a_person_may_go_back_to_any_good_copy(home: Home, releases: Releases) -> None:
    books = opened(home, releases)
    for at in (NOW, LATER):
        books.knowledge.set_fact("at", at.isoformat())
        snapshot(books, home, at)
    books.database.close()
    books, restored = restore(home, releases, snapshots.listed(home.snapshots)[1], LATER)
    assert books.knowledge.moment("at") == NOW
    assert restored.kept is not None and (restored.kept / "ledger.sqlite").exists()


def test_a_copy_is_whole_while_the_ledger_is_written_and_the_newest_few_stay(home: Home, releases: Releases) -> None:
    books = opened(home, releases)
    for number in range(snapshots.KEPT + 3):
        books.knowledge.set_fact("number", str(number))
        snapshot(books, home)
    found = snapshots.listed(home.snapshots)
    assert [copy.number for copy in found] == list(range(10, 3, -1))
    assert {copy.problem for copy in found} == {None}
    with closing(sqlite3.connect(f"file:{found[0].path}?mode=ro&immutable=1", uri=True)) as connection:
        assert connection.execute("SELECT value FROM fact WHERE key = 'number'").fetchone() == ("9",)


def test_a_damaged_ledger_is_never_copied(home: Home, releases: Releases) -> None:
    books = opened(home, releases)
    snapshot(books, home)
    books.database.close()
    damage_a_page(home.ledger)
    with pytest.raises(Damaged):
        snapshots.take(home.ledger, home.snapshots, at=LATER)
    assert len(snapshots.listed(home.snapshots)) == 1


@given(st.integers(-400, 400), st.integers(-400, 400))
def test_a_copy_is_due_after_a_day_and_whenever_the_clock_has_gone_back(last: int, now: int) -> None:
    found = snapshots.due(NOW + timedelta(hours=last), NOW + timedelta(hours=now))
    assert found == (not 0 <= now - last < 24)


def test_a_first_copy_is_due_at_once() -> None:
    assert snapshots.due(None, NOW)
