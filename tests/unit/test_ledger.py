"""The ledger refuses illegal moves, and a zombie changes nothing."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.ledger.books import Books, open_books, read_books
from daemon.ledger.database import Damaged, OutOfReach
from daemon.ledger.jobs import Left
from daemon.ledger.records import Job, Owner
from daemon.ledger.schema import MIGRATIONS
from jobs.domain.artifacts import Progress
from jobs.domain.curve import MOST_POINTS
from jobs.domain.endings import Ending
from jobs.domain.errors import BadInput

NOW = datetime(2026, 1, 2, tzinfo=UTC)
OWNER = Owner(boot="b", pid=1, started=1.0)


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return open_books(tmp_path / "ledger.sqlite")


def left(ending: Ending) -> Left:
    return Left(ending=ending, reason="r")


def claimed(books: Books) -> Job:
    started = books.jobs.start_run("embedding", cause="test", forced=False, now=NOW)
    assert started is not None
    job = books.jobs.claim(started[1].id, OWNER, NOW)
    assert job is not None
    return job


def test_a_job_is_claimed_once(books: Books) -> None:
    job = claimed(books)
    assert books.jobs.claim(job.id, OWNER, NOW) is None


def test_a_target_has_one_active_run(books: Books) -> None:
    claimed(books)
    assert books.jobs.start_run("embedding", cause="again", forced=False, now=NOW) is None
    assert books.jobs.start_run("expansion", cause="other", forced=False, now=NOW) is not None


def test_changes_coalesce_into_one_waiting_refresh(books: Books) -> None:
    first = books.jobs.want_refresh(NOW)
    assert first is not None and books.jobs.want_refresh(NOW) is None
    books.jobs.claim(first.id, OWNER, NOW)
    assert books.jobs.want_refresh(NOW) is not None, "a change during a refresh needs another"


def test_finishing_a_stage_queues_the_next_in_one_step(books: Books) -> None:
    job = claimed(books)
    assert books.jobs.finish(job, {"dataset": "d"}, "baseline", NOW)
    [following] = books.jobs.in_state("queued")
    assert (following.stage, following.run) == ("baseline", job.run)
    assert books.jobs.job(job.id).result == {"dataset": "d"}


def test_a_fenced_off_zombie_can_write_nothing(books: Books) -> None:
    zombie = claimed(books)
    books.jobs.settle(zombie, left(Ending.ORPHANED), NOW)
    heir = books.jobs.claim(zombie.id, OWNER, NOW)
    assert heir is not None and heir.lease > zombie.lease
    progress = Progress(step=1, steps=2, loss=0.5, rate=1.0, unit="pairs", eta=1.0)
    assert not books.jobs.note(zombie, phase="x", progress=progress, now=NOW)
    assert not books.jobs.finish(zombie, {}, "baseline", NOW)
    assert books.jobs.settle(zombie, left(Ending.FAILED), NOW) is None
    assert books.jobs.job(zombie.id).state == "running"
    assert books.jobs.run(zombie.run or 0).state == "active"


@pytest.mark.parametrize("ending", [Ending.STOPPED, Ending.ORPHANED, Ending.REBOOTED])
def test_what_is_not_its_own_fault_does_not_count_as_an_attempt(books: Books, ending: Ending) -> None:
    job = claimed(books)
    books.jobs.settle(job, left(ending), NOW)
    assert (books.jobs.job(job.id).state, books.jobs.job(job.id).attempts) == ("queued", 0)
    job = books.jobs.claim(job.id, OWNER, NOW) or pytest.fail("not claimable")
    books.jobs.settle(job, left(Ending.CRASHED), NOW)
    assert (books.jobs.job(job.id).state, books.jobs.job(job.id).attempts) == ("queued", 1)


def test_a_machine_that_restarts_twice_under_a_job_puts_it_in_quarantine_until_a_person_lifts_it(books: Books) -> None:
    job = claimed(books)
    for state in ("queued", "quarantined"):
        books.jobs.settle(job, left(Ending.REBOOTED), NOW)
        assert books.jobs.job(job.id).state == state
        job = books.jobs.claim(job.id, OWNER, NOW) or job
    assert books.jobs.run(job.run or 0).state == "active", "nor may another run of the target try the same"
    assert books.jobs.start_run("embedding", cause="window", forced=False, now=NOW) is None
    books.jobs.forgive(job.id)
    assert books.jobs.move_waiting(job.id, ("quarantined",), "queued", NOW)
    assert books.jobs.job(job.id).reboots == 0


def test_a_refresh_in_quarantine_is_not_gone_round_by_another(books: Books) -> None:
    for _ in range(2):
        waiting = books.jobs.want_refresh(NOW) or books.jobs.in_state("queued")[0]
        job = books.jobs.claim(waiting.id, OWNER, NOW) or pytest.fail("not claimable")
        books.jobs.settle(job, left(Ending.REBOOTED), NOW)
    assert books.jobs.want_refresh(NOW) is None


def test_a_failed_job_ends_its_run_and_a_retry_revives_it(books: Books) -> None:
    job = claimed(books)
    books.jobs.settle(job, Left(ending=Ending.FAILED, reason="broke", remedy="mend it"), NOW)
    assert books.jobs.run(job.run or 0).state == "failed"
    assert books.jobs.revive_run(job.run or 0)
    assert books.jobs.move_waiting(job.id, ("failed",), "queued", NOW)
    assert books.jobs.job(job.id).state == "queued"


def test_the_curve_of_a_job_that_ended_is_thinned(books: Books) -> None:
    job = claimed(books)
    with books.database.transaction():  # one sync for all: this is no test of the disk
        for step in range(1, 1001):
            progress = Progress(step=step, steps=1000, loss=1.0 / step, rate=1.0, unit="pairs", eta=1.0)
            books.jobs.note(job, phase="training", progress=progress, now=NOW)
    books.jobs.finish(job, {}, None, NOW)
    rows = books.database.rows("SELECT json_extract(data, '$.step') AS step FROM event WHERE kind = 'progress'")
    assert len(rows) == MOST_POINTS
    assert (rows[0]["step"], rows[-1]["step"]) == (1, 1000)


def test_an_unknown_state_is_refused_by_the_database(books: Books) -> None:
    job = claimed(books)
    with pytest.raises(sqlite3.IntegrityError), books.database.transaction() as connection:
        connection.execute("UPDATE job SET state = 'nearly' WHERE id = ?", (job.id,))


def test_a_failed_transaction_leaves_nothing(books: Books) -> None:
    with pytest.raises(RuntimeError), books.database.transaction() as connection:
        connection.execute("INSERT INTO fact VALUES ('a', 'b')")
        raise RuntimeError
    assert books.knowledge.fact("a") is None


@pytest.mark.parametrize("opened", [open_books, read_books])
def test_a_ledger_of_a_newer_version_is_refused_untouched(tmp_path: Path, opened: Callable[[Path], Books]) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=99")
    before = path.read_bytes()
    with pytest.raises(BadInput, match="newer version"):
        opened(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("opened", [open_books, read_books])
def test_what_is_no_ledger_is_told_apart_from_what_cannot_be_opened(
    tmp_path: Path, opened: Callable[[Path], Books]
) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"not a database at all, certainly not" * 100)
    with pytest.raises(Damaged, match="is damaged"):
        opened(path)
    folder = tmp_path / "folder.sqlite"
    folder.mkdir()
    with pytest.raises(OutOfReach, match="cannot be opened") as refusal:
        opened(folder)
    assert refusal.value.remedy.startswith("look at its folder")
    assert not isinstance(refusal.value, Damaged), "a ledger that is out of reach must never be replaced"


def test_who_installed_the_daemon_is_told_to_use_iaipctl_for_it(tmp_path: Path) -> None:
    """A daemon started by hand would keep the agent's own from starting."""
    earlier, broken = tmp_path / "earlier.sqlite", tmp_path / "broken.sqlite"
    with closing(sqlite3.connect(earlier)) as connection:
        connection.executescript(MIGRATIONS[0] + "PRAGMA user_version=1")
    broken.write_bytes(b"not a database at all, certainly not" * 100)
    for path, command in ((earlier, "`iaipctl restart`"), (broken, "`iaipctl start`")):
        with pytest.raises(BadInput) as refusal:
            read_books(path)
        assert refusal.value.remedy.startswith(command)


def test_a_request_is_taken_once_by_its_key_and_answered_once(books: Books) -> None:
    for first in (True, False):
        assert books.requests.take("key", "run", {"target": "embedding", "forced": False}, NOW) is first
    [request] = books.requests.waiting()
    books.requests.handled(request.id, {"run": 1}, NOW)
    assert books.requests.waiting() == []
    assert books.requests.answer("key") == {"run": 1}
    assert not books.requests.take("key", "run", {}, NOW)


def test_the_ledger_syncs_every_commit_through_to_the_disk(books: Books) -> None:
    wanted = {"journal_mode": "wal", "synchronous": 2, "fullfsync": 1, "checkpoint_fullfsync": 1, "foreign_keys": 1}
    for pragma, value in wanted.items():
        row = books.database.row(f"PRAGMA {pragma}")
        assert row is not None and row[0] == value, pragma


def test_a_reader_sees_every_commit_and_can_write_nothing(books: Books) -> None:
    reader = read_books(books.database.path)
    job = claimed(books)
    assert reader.jobs.job(job.id).state == "running"
    with pytest.raises(BadInput, match="readonly"):
        reader.jobs.stop_all()


def test_a_reader_needs_no_daemon_and_no_wal(books: Books) -> None:
    claimed(books)
    books.database.close()
    folder = books.database.path.parent
    assert [path.name for path in folder.iterdir()] == ["ledger.sqlite"]
    assert read_books(books.database.path).jobs.counts() == {"running": 1}


def test_a_reader_sees_what_a_killed_daemon_had_committed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    script = (
        "import os, sys, pathlib; from datetime import UTC, datetime; from daemon.ledger.books import open_books;"
        "open_books(pathlib.Path(sys.argv[1])).jobs.want_refresh(datetime.now(UTC)); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=False, timeout=60)
    assert (tmp_path / "ledger.sqlite-wal").stat().st_size > 0
    assert read_books(path).jobs.counts() == {"queued": 1}


def test_the_queries_that_decided_are_counted_over_runs(books: Books) -> None:
    first = claimed(books).run or 0
    books.jobs.end_run(first, "done", "rejected", "r", NOW)
    second = claimed(books).run or 0
    for run in (first, first, second):
        books.results.judged("embedding", ("query-a", "query-b"), run)
    assert books.results.judgements_before("embedding", second) == {"query-a": 1, "query-b": 1}
    assert books.results.judgements_before("expansion", second) == {}
