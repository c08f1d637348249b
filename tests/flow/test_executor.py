"""What becomes of an attempt, decided in one place. The worker is scripted; the ledger is real."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import msgspec
import pytest

from daemon.ledger.books import Books
from daemon.ledger.database import OutOfReach
from daemon.ledger.records import Job
from daemon.runner import Crashed
from jobs.domain.artifacts import Progress
from jobs.domain.confinement import WAYS_OUT, Probe, Receipt
from jobs.domain.endings import MOST_ATTEMPTS
from jobs.domain.examples import Target
from jobs.domain.results import ValidationResult
from jobs.wire import Done, Failed, Phase, Step
from tests.flow.scripted_worker import NOW, ScriptedWorker, executor, new_run
from tests.learnt import PROMOTED


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


@pytest.mark.parametrize(
    ("wanted", "next_job", "run"), [("cancel", "cancelled", "cancelled"), ("pause", "paused", "active")]
)
def test_what_a_person_asked_for_at_the_last_word_holds_for_the_next_stage(
    books: Books, tmp_path: Path, wanted: str, next_job: str, run: str
) -> None:
    job = new_run(books)
    worker = ScriptedWorker(Done(result={"dataset": "d", "rows": {}}))
    worker.during = lambda: books.jobs.want_stop(job.id, wanted)
    assert executor(books, tmp_path, worker).execute(job.id) == []
    found = [(one.stage, one.state) for one in books.jobs.of_run(job.run or 0)]
    assert found == [("dataset", "done"), ("baseline", next_job)]
    assert books.jobs.run(job.run or 0).state == run


def test_a_run_that_ends_by_itself_at_its_last_word_has_nothing_left_to_cancel(books: Books, tmp_path: Path) -> None:
    job = new_run(books)
    worker = ScriptedWorker(Done(result={}, ends_run="not-enough: 12 of 500 pairs"))
    worker.during = lambda: books.jobs.want_stop(job.id, "cancel")
    executor(books, tmp_path, worker).execute(job.id)
    run = books.jobs.run(job.run or 0)
    assert (run.state, run.outcome) == ("done", "not-enough")


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


def test_a_heavy_job_that_may_not_start_waits_untouched_and_a_light_one_is_not_asked(
    books: Books, tmp_path: Path
) -> None:
    job, asked = new_run(books), list[str]()

    def may_start() -> bool:
        asked.append("a heavy one")
        return False

    held = executor(books, tmp_path, ScriptedWorker(Done(result={"dataset": "d", "rows": {}})), may_start=may_start)
    [heavy] = held.execute(job.id)
    assert asked == []
    assert held.execute(heavy) == []
    assert asked == ["a heavy one"]
    assert (books.jobs.job(heavy).state, books.jobs.job(heavy).attempts) == ("queued", 0)


FULL = Failed(message="the disk is full", remedy="free some", kind="DiskFull")


def test_a_volume_that_fills_under_a_job_is_not_its_fault_and_it_waits_for_room(books: Books, tmp_path: Path) -> None:
    job, room = new_run(books), [True]
    worker = ScriptedWorker(FULL, Done(result={"dataset": "d", "rows": {}}))
    worker.during = lambda: room.__setitem__(0, False)
    held = executor(books, tmp_path, worker, has_room=lambda job: room[0])
    assert held.execute(job.id) == [job.id]
    assert (books.jobs.job(job.id).state, books.jobs.job(job.id).attempts) == ("queued", 0)
    held.execute(job.id)
    assert len(worker.specs) == 1, "there is no room yet"

    room[0], worker.during = True, lambda: None
    held.execute(job.id)
    assert books.jobs.job(job.id).state == "done"


def test_where_not_even_the_want_of_room_can_be_noted_the_job_waits_all_the_same(books: Books, tmp_path: Path) -> None:
    job, asked = new_run(books), list[bool]()

    def has_room(job: Job) -> bool:
        asked.append(True)
        if len(asked) > 1:
            raise OutOfReach("the ledger cannot be written", remedy="free some")
        return True

    executor(books, tmp_path, ScriptedWorker(FULL), has_room=has_room).execute(job.id)
    assert (books.jobs.job(job.id).state, books.jobs.job(job.id).attempts) == ("queued", 0)


def test_a_cancelled_job_that_met_a_full_disk_is_not_said_to_wait(books: Books, tmp_path: Path) -> None:
    job, asked = new_run(books), list[bool]()
    worker = ScriptedWorker(FULL)
    worker.during = lambda: books.jobs.want_stop(job.id, "cancel")

    def has_room(job: Job) -> bool:
        asked.append(True)
        return True

    executor(books, tmp_path, worker, has_room=has_room).execute(job.id)
    assert (books.jobs.job(job.id).state, len(asked)) == ("cancelled", 1)


def test_a_full_disk_that_nobody_finds_here_is_given_up_after_a_few_tries(books: Books, tmp_path: Path) -> None:
    job = new_run(books)
    held = executor(books, tmp_path, ScriptedWorker(*[FULL] * MOST_ATTEMPTS))
    for _ in range(MOST_ATTEMPTS):
        held.execute(job.id)
    failed = books.jobs.job(job.id)
    assert (failed.state, failed.error, failed.remedy) == ("failed", "the disk is full", "free some")


def test_a_job_is_attended_while_it_runs(books: Books, tmp_path: Path) -> None:
    job, worker = new_run(books), ScriptedWorker(Crashed("x"))
    runs = executor(books, tmp_path, worker)
    seen: list[frozenset[int]] = []
    worker.during = lambda: seen.append(runs.attended())
    runs.execute(job.id)
    assert (seen, runs.attended()) == ([frozenset({job.id})], frozenset())


def test_an_attempt_that_breaks_in_the_daemon_is_an_attempt_that_ended(books: Books, tmp_path: Path) -> None:
    job = new_run(books)
    worker = ScriptedWorker(Crashed("never said"))

    def breaks() -> None:
        raise RuntimeError("no such process could be started")

    worker.during = breaks
    executor(books, tmp_path, worker).execute(job.id)
    found = books.jobs.job(job.id)
    assert (found.state, found.attempts) == ("queued", 1)


def test_a_deployment_that_fails_halfway_takes_its_release_back_and_says_so(books: Books, tmp_path: Path) -> None:
    job = new_run(books)
    books.database.row("UPDATE job SET stage = 'deploy' WHERE id = ?", job.id)
    worker = ScriptedWorker(Failed(message="the system refused", remedy="look", kind="OSError"))
    executor(books, tmp_path, worker, end_trial=lambda: "v2").execute(job.id)
    [alert] = books.alerts.unread()
    assert "v2 was on trial and was taken back" in alert.body and "untouched" not in alert.body


@pytest.mark.parametrize(
    "word", [Failed(message="stopped", remedy="", kind="stopped"), Crashed("ended with -9")], ids=["stopped", "crashed"]
)
def test_a_deployment_that_will_be_tried_again_leaves_no_release_on_trial_meanwhile(
    books: Books, tmp_path: Path, word: Failed | Crashed
) -> None:
    job, ended = new_run(books), list[str]()
    books.database.row("UPDATE job SET stage = 'deploy' WHERE id = ?", job.id)
    executor(books, tmp_path, ScriptedWorker(word), end_trial=lambda: ended.append("v2")).execute(job.id)
    assert (books.jobs.job(job.id).state, ended) == ("queued", ["v2"])


def test_a_disk_that_refuses_to_take_a_release_back_does_not_hold_up_the_job(books: Books, tmp_path: Path) -> None:
    job = new_run(books)
    books.database.row("UPDATE job SET stage = 'deploy' WHERE id = ?", job.id)

    def refuses() -> str | None:
        raise OSError(errno.ENOSPC, "No space left on device")

    worker = ScriptedWorker(Failed(message="the system refused", remedy="look", kind="OSError"))
    executor(books, tmp_path, worker, end_trial=refuses).execute(job.id)
    [alert] = books.alerts.unread()
    assert books.jobs.job(job.id).state == "failed" and "may be on trial" in alert.body


def test_a_restriction_that_restricts_nothing_any_more_is_said_once(books: Books, tmp_path: Path) -> None:
    said: list[list[str]] = [["a"], ["a"], ["a", "b"], ["a", "b"], ["a"]]
    worker = ScriptedWorker(*(Done(result={"new_pairs": 0, "new_expansions": 0, "idle": idle}) for idle in said))
    told = []
    for _ in said:
        waiting = books.jobs.want_refresh(NOW)
        assert waiting is not None
        executor(books, tmp_path, worker).execute(waiting.id)
        told.append([(alert.kind, alert.times) for alert in books.alerts.unread()])
    assert told == [[], [], *[[("restriction-idle", 1)]] * 3]
    assert "consent coverage" in books.alerts.unread()[0].body


def test_the_queries_that_decided_are_counted_against_the_next_run_of_their_target(
    books: Books, tmp_path: Path
) -> None:
    answers = tmp_path / "answers.json"
    answers.write_text("[]")
    result = ValidationResult(index="", answers=str(answers), verdict=PROMOTED, judged_by=("query-a", "query-b"))
    worker = ScriptedWorker(*[Done(result=msgspec.to_builtins(result), ends_run="reject: no better")] * 3)
    targets: tuple[Target, ...] = ("embedding", "embedding", "expansion")
    for target in targets:
        started = books.jobs.start_run(target, cause="test", forced=False, now=NOW)
        assert started is not None
        books.database.row("UPDATE job SET stage = 'validate' WHERE id = ?", started[1].id)
        executor(books, tmp_path, worker).execute(started[1].id)
    assert [spec.judged_before for spec in worker.specs] == [{}, {"query-a": 1, "query-b": 1}, {}]
