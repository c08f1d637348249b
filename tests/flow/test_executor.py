"""What becomes of an attempt, decided in one place. The worker is scripted; the ledger is real."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.paths import Home
from daemon.executor import Executor
from daemon.ledger.books import Books, open_books
from daemon.ledger.jobs import MOST_ATTEMPTS
from daemon.ledger.records import Job, Owner
from daemon.recover import recover
from daemon.runner import Crashed
from jobs.domain.artifacts import Progress
from jobs.domain.confinement import WAYS_OUT, Probe, Receipt
from jobs.releases import Releases
from jobs.wire import Done, Event, Failed, JobSpec, Phase, Step

OWNER = Owner(boot="boot", pid=1, started=1.0)
NOW = datetime(2026, 1, 2, tzinfo=UTC)
LastWord = Done | Failed | Crashed


class ScriptedWorker:
    """Says what it was told to say, and remembers what it was asked."""

    def __init__(self, *words: LastWord, events: tuple[Event, ...] = ()) -> None:
        self.words = list(words)
        self.events = events
        self.specs: list[JobSpec] = []
        self.during: Callable[[], None] = lambda: None

    def __call__(
        self, spec: JobSpec, log: Path, on_event: Callable[[Event], None], should_stop: Callable[[], bool]
    ) -> Done | Failed:
        self.specs.append(spec)
        for event in self.events:
            on_event(event)
        self.during()
        word = self.words.pop(0)
        if isinstance(word, Crashed):
            raise word
        return word


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return open_books(tmp_path / "ledger.sqlite")


def executor(books: Books, tmp_path: Path, worker: ScriptedWorker, stopping: threading.Event | None = None) -> Executor:
    return Executor(books, Home(root=tmp_path), OWNER, worker, stopping or threading.Event(), lambda: True)


def new_run(books: Books) -> Job:
    started = books.jobs.start_run("embedding", cause="test", forced=False, now=NOW)
    assert started is not None
    return started[1]


def test_a_finished_stage_rings_for_the_next_and_hands_its_result_on(books: Books, tmp_path: Path) -> None:
    job = new_run(books)
    worker = ScriptedWorker(Done(result={"dataset": "d", "rows": {}}), Failed(message="m", remedy="r", kind="X"))
    execute = executor(books, tmp_path, worker).execute
    [following] = execute(job.id)
    execute(following)
    assert [spec.stage for spec in worker.specs] == ["dataset", "baseline"]
    assert worker.specs[1].earlier == {"dataset": {"dataset": "d", "rows": {}}}


def test_a_failure_is_recorded_with_its_remedy_and_an_alert(books: Books, tmp_path: Path) -> None:
    job = new_run(books)
    executor(books, tmp_path, ScriptedWorker(Failed(message="no room", remedy="free some", kind="OSError"))).execute(
        job.id
    )
    failed = books.jobs.job(job.id)
    assert (failed.state, failed.error, failed.remedy) == ("failed", "no room", "free some")
    assert books.jobs.run(job.run or 0).state == "failed"
    [alert] = books.alerts.unread()
    assert "live search is untouched" in alert.body


def test_too_few_examples_end_the_run_without_an_error(books: Books, tmp_path: Path) -> None:
    job = new_run(books)
    executor(books, tmp_path, ScriptedWorker(Done(result={}, ends_run="not-enough: 12 of 500 pairs"))).execute(job.id)
    run = books.jobs.run(job.run or 0)
    assert (run.state, run.outcome, run.reason) == ("done", "not-enough", "12 of 500 pairs")
    assert books.jobs.in_state("queued") == []


def test_a_crashing_worker_is_tried_again_and_then_given_up(books: Books, tmp_path: Path) -> None:
    job = new_run(books)
    worker = ScriptedWorker(*[Crashed("ended with -9")] * MOST_ATTEMPTS)
    execute = executor(books, tmp_path, worker).execute
    for _ in range(MOST_ATTEMPTS - 1):
        assert execute(job.id) == [job.id]
    assert execute(job.id) == []
    assert books.jobs.job(job.id).state == "failed"


def test_a_planned_stop_puts_the_job_back_blameless(books: Books, tmp_path: Path) -> None:
    job, stopping = new_run(books), threading.Event()
    worker = ScriptedWorker(Failed(message="stopped", remedy="", kind="stopped"))
    worker.during = stopping.set
    executor(books, tmp_path, worker, stopping).execute(job.id)
    assert (books.jobs.job(job.id).state, books.jobs.job(job.id).attempts) == ("queued", 0)


@pytest.mark.parametrize(("wanted", "state"), [("cancel", "cancelled"), ("pause", "paused")])
def test_what_a_person_asked_for_is_what_happens(books: Books, tmp_path: Path, wanted: str, state: str) -> None:
    job = new_run(books)
    worker = ScriptedWorker(Failed(message="stopped", remedy="", kind="stopped"))
    worker.during = lambda: books.jobs.want_stop(job.id, wanted)
    executor(books, tmp_path, worker).execute(job.id)
    assert books.jobs.job(job.id).state == state


def test_progress_is_visible_while_it_runs(books: Books, tmp_path: Path) -> None:
    job = new_run(books)
    progress = Progress(step=3, steps=3, loss=0.25, rate=12.0, unit="pairs", eta=0.0)
    worker = ScriptedWorker(
        Done(result={}, ends_run="not-enough: x"), events=(Phase(text="reading"), Step(progress=progress))
    )
    seen: list[Job] = []
    worker.during = lambda: seen.append(books.jobs.job(job.id))
    executor(books, tmp_path, worker).execute(job.id)
    assert seen[0].progress == progress


def test_the_receipt_of_confinement_is_kept_with_its_job(books: Books, tmp_path: Path) -> None:
    job = new_run(books)
    receipt = Receipt(rung="namespace", probes=tuple(Probe(way=way, outcome="EACCES") for way in WAYS_OUT))
    worker = ScriptedWorker(Done(result={}, ends_run="not-enough: x"), events=(receipt,))
    executor(books, tmp_path, worker).execute(job.id)
    assert books.receipts.latest() == (job.id, receipt)
    assert not books.receipts.refused(job.run or 0)


def test_a_job_that_could_not_be_confined_fails_with_what_to_do(books: Books, tmp_path: Path) -> None:
    job = new_run(books)
    receipt = Receipt(rung="none", probes=(Probe(way="tcp", outcome="open"),))
    refusal = Failed(message="not started", remedy="allow namespaces", kind="Refused")
    executor(books, tmp_path, ScriptedWorker(refusal, events=(receipt,))).execute(job.id)
    assert (books.jobs.job(job.id).state, books.jobs.job(job.id).remedy) == ("failed", "allow namespaces")
    assert books.receipts.refused(job.run or 0)


def test_one_heavy_job_at_a_time_while_light_ones_go_on(books: Books, tmp_path: Path) -> None:
    job = new_run(books)
    worker = ScriptedWorker(Done(result={"dataset": "d", "rows": {}}), Done(result={}, ends_run="already-strong: x"))
    held = executor(books, tmp_path, worker)
    [heavy] = held.execute(job.id)
    other = books.jobs.start_run("expansion", cause="test", forced=False, now=NOW)
    assert other is not None

    def meanwhile() -> None:
        worker.during = lambda: None
        worker.words.insert(0, Done(result={"dataset": "e", "rows": {}}))
        assert heavy not in held.execute(other[1].id), "a light job runs beside it"
        waiting = [j.id for j in books.jobs.in_state("queued") if j.stage == "baseline"]
        assert held.execute(waiting[0]) == []
        assert books.jobs.job(waiting[0]).state == "queued"

    worker.during = meanwhile
    held.execute(heavy)
    assert [spec.stage for spec in worker.specs] == ["dataset", "baseline", "dataset"]


def test_a_job_whose_owner_died_goes_back_to_the_queue(books: Books, tmp_path: Path) -> None:
    job = new_run(books)
    books.jobs.claim(job.id, Owner(boot="an earlier boot", pid=1, started=1.0), NOW)
    waiting = recover(books, Home(root=tmp_path), Releases(tmp_path / "releases", lambda live, _: live), "this boot")
    assert waiting == [job.id]
    assert books.jobs.job(job.id).attempts == 0
