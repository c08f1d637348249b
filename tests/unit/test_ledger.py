"""The ledger refuses illegal moves, and a zombie changes nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.ledger.books import Books, open_books
from daemon.ledger.records import Job, Owner
from jobs.domain.artifacts import Progress
from jobs.domain.errors import BadInput

NOW = datetime(2026, 1, 2, tzinfo=UTC)
OWNER = Owner(boot="b", pid=1, started=1.0)


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return open_books(tmp_path / "ledger.sqlite")


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
    following = books.jobs.finish(job, {"dataset": "d"}, "baseline", NOW)
    assert following is not None and (following.stage, following.state) == ("baseline", "queued")
    assert books.jobs.job(job.id).result == {"dataset": "d"}


def test_a_fenced_off_zombie_can_write_nothing(books: Books) -> None:
    zombie = claimed(books)
    books.jobs.put_back(zombie, "its owner died", NOW, blameless=True)
    heir = books.jobs.claim(zombie.id, OWNER, NOW)
    assert heir is not None and heir.lease > zombie.lease
    progress = Progress(step=1, steps=2, loss=0.5, rate=1.0, unit="pairs", eta=1.0)
    assert not books.jobs.note(zombie, phase="x", progress=progress, now=NOW)
    assert books.jobs.finish(zombie, {}, "baseline", NOW) is None
    assert not books.jobs.fail(zombie, "m", "r", NOW)
    assert books.jobs.job(zombie.id).state == "running"


def test_a_planned_stop_does_not_count_as_an_attempt(books: Books) -> None:
    job = claimed(books)
    books.jobs.put_back(job, "stopped", NOW, blameless=True)
    assert books.jobs.job(job.id).attempts == 0
    job = books.jobs.claim(job.id, OWNER, NOW) or pytest.fail("not claimable")
    books.jobs.put_back(job, "crashed", NOW, blameless=False)
    assert books.jobs.job(job.id).attempts == 1


def test_a_failed_job_ends_its_run_and_a_retry_revives_it(books: Books) -> None:
    job = claimed(books)
    books.jobs.fail(job, "broke", "mend it", NOW)
    assert books.jobs.run(job.run or 0).state == "failed"
    assert books.jobs.revive_run(job.run or 0)
    assert books.jobs.move_waiting(job.id, ("failed",), "queued", NOW)
    assert books.jobs.job(job.id).state == "queued"


def test_an_unknown_state_is_refused_by_the_database(books: Books) -> None:
    job = claimed(books)
    with pytest.raises(sqlite3.IntegrityError), books.database.transaction() as connection:
        connection.execute("UPDATE job SET state = 'nearly' WHERE id = ?", (job.id,))


def test_a_failed_transaction_leaves_nothing(books: Books) -> None:
    with pytest.raises(RuntimeError), books.database.transaction() as connection:
        connection.execute("INSERT INTO fact VALUES ('a', 'b')")
        raise RuntimeError
    assert books.knowledge.fact("a") is None


def test_a_ledger_of_a_newer_version_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=99")
    with pytest.raises(BadInput, match="newer version"):
        open_books(path)


def test_a_corrupt_ledger_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"not a database at all, certainly not" * 100)
    with pytest.raises(BadInput) as refusal:
        open_books(path)
    assert "move it away" in refusal.value.remedy


def test_requests_wait_for_the_daemon(books: Books) -> None:
    number = books.requests.put("run", {"target": "embedding", "forced": False}, NOW)
    assert [request.id for request in books.requests.waiting()] == [number]
    books.requests.handled(number, {"run": 1}, NOW)
    assert books.requests.waiting() == []
    assert books.requests.answer(number) == {"run": 1}


def test_the_same_query_set_is_counted_over_runs(books: Books) -> None:
    first = claimed(books).run or 0
    books.jobs.end_run(first, "done", "rejected", "r", NOW)
    second = claimed(books).run or 0
    for run in (first, first, second):
        books.results.judged("embedding", "set-a", run)
    assert books.results.judgements_before("embedding", second) == {"set-a": 1}


def test_of_two_refreshes_that_died_together_one_goes_back_to_the_queue(books: Books) -> None:
    died = []
    for _ in range(2):
        waiting = books.jobs.want_refresh(NOW)
        assert waiting is not None
        died.append(books.jobs.claim(waiting.id, OWNER, NOW))
    for job in died:
        assert job is not None and books.jobs.put_back(job, "its owner died", NOW, blameless=True)
    assert [books.jobs.job(job.id).state for job in died if job] == ["queued", "cancelled"]
