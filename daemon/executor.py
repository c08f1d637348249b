"""One attempt at one job: claim → specify → run → settle. What becomes of it is decided in ``_settle`` alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec
import structlog

from config.paths import Home
from daemon.ledger.books import Books
from daemon.ledger.jobs import MOST_ATTEMPTS
from daemon.ledger.records import Job, Owner, StoredAnswer
from daemon.runner import Crashed
from jobs.domain.artifacts import Progress
from jobs.domain.confinement import Receipt
from jobs.domain.results import ArmAnswers, DeployResult, ValidationResult
from jobs.domain.states import RunOutcome
from jobs.wire import Done, Event, Failed, JobSpec, Phase, Step, following

log = structlog.get_logger()

OUTCOMES = {"promote": RunOutcome.PROMOTED, "reject": RunOutcome.REJECTED}


class RunWorker(Protocol):
    def __call__(
        self, spec: JobSpec, log: Path, on_event: Callable[[Event], None], should_stop: Callable[[], bool]
    ) -> Done | Failed: ...


class Executor:
    """Runs jobs in the calling thread; one heavy job at a time over all threads."""

    def __init__(
        self,
        books: Books,
        home: Home,
        owner: Owner,
        run_worker: RunWorker,
        stopping: threading.Event,
        may_start: Callable[[], bool],
    ) -> None:
        """``may_start`` is asked before a heavy job is claimed: is this a moment for it?"""
        self._books = books
        self._home = home
        self._owner = owner
        self._run_worker = run_worker
        self._stopping = stopping
        self._may_start = may_start
        self._heavy = threading.Lock()

    def execute(self, job_id: int) -> list[int]:
        """Does the job if it is waiting and may run now; returns the jobs to ring for next."""
        waiting = self._books.jobs.job(job_id)
        light = waiting.stage == "dataset"
        if self._stopping.is_set() or not (light or (self._may_start() and self._heavy.acquire(blocking=False))):
            return []
        try:
            job = self._books.jobs.claim(job_id, self._owner, _now())
            if job is None:
                return []
            self._attempt(job)
        finally:
            if not light:
                self._heavy.release()
        return [waiting.id for waiting in self._books.jobs.in_state("queued")]

    def _attempt(self, job: Job) -> None:
        log.info("job started", job=job.id, run=job.run, stage=job.stage, target=job.target, attempt=job.attempts)
        teller = _Teller(self._books, job)
        try:
            outcome: Done | Failed | Crashed = self._run_worker(
                self._specify(job), self._home.logs / "jobs" / f"{job.id}.log", teller.hear, self._wanted_to_stop(job)
            )
        except Crashed as crash:
            outcome = crash
        self._settle(job, outcome)

    def _specify(self, job: Job) -> JobSpec:
        books = self._books
        run = None if job.run is None else books.jobs.run(job.run)
        earlier: dict[str, Any] = (
            {} if job.run is None else {j.stage: j.result for j in books.jobs.of_run(job.run) if j.result}
        )
        documents: tuple[tuple[str, str, str], ...] = ()
        if job.stage == "dataset":
            documents = tuple((d.collection, d.path, known.sha256) for d, known in books.knowledge.documents().items())
        attempts = books.results.judgements_before(run.target, run.id) if run and job.stage == "validate" else {}
        return JobSpec(
            job=job.id,
            run=job.run,
            stage=job.stage,
            target=job.target,
            home=str(self._home.root),
            forced=bool(run and run.forced),
            attempts_on_set=attempts,
            earlier=earlier,
            documents=documents,
        )

    def _wanted_to_stop(self, job: Job) -> Callable[[], bool]:
        def wanted() -> bool:
            return self._stopping.is_set() or self._books.jobs.job(job.id).stop_wanted is not None

        return wanted

    def _settle(self, job: Job, outcome: Done | Failed | Crashed) -> None:
        """The fate of an attempt, decided here and nowhere else."""
        jobs, now = self._books.jobs, _now()
        wanted = jobs.job(job.id).stop_wanted
        match outcome:
            case Done():
                self._finish(job, outcome, now)
            case _ if wanted is not None:
                jobs.set_aside(job, {"cancel": "cancelled", "pause": "paused"}[wanted], "asked for", now)
            case _ if self._stopping.is_set():
                jobs.put_back(job, "the daemon stopped", now, blameless=True)
            case Failed(kind="stopped"):
                jobs.put_back(job, outcome.message, now, blameless=True)
            case Crashed() if job.attempts < MOST_ATTEMPTS:
                jobs.put_back(job, str(outcome), now, blameless=False)
            case Crashed():
                self._fail(job, f"{outcome}, {job.attempts} times", f"read logs/jobs/{job.id}.log", now)
            case Failed():
                self._fail(job, outcome.message, outcome.remedy, now)
        log.info("job settled", job=job.id, stage=job.stage, state=jobs.job(job.id).state)

    def _finish(self, job: Job, done: Done, now: datetime) -> None:
        books = self._books
        with books.database.transaction():
            self._record(job, done.result)
            books.jobs.finish(job, done.result, None if done.ends_run else following(job.stage), now)
            if job.run is None:
                return
            if done.ends_run:
                outcome, _, reason = done.ends_run.partition(": ")
                self._end(job, OUTCOMES.get(outcome, outcome), reason, now)
            elif following(job.stage) is None:
                release = msgspec.convert(done.result, DeployResult).release
                self._end(job, "promoted", f"{release} is live", now)

    def _record(self, job: Job, result: dict[str, Any]) -> None:
        if job.stage == "dataset" and job.run is None:
            self._count_new_rows(result)
        if job.stage == "validate" and job.run is not None and job.target is not None:
            validation = msgspec.convert(result, ValidationResult)
            self._books.results.store(job.run, _stored_answers(Path(validation.answers)))
            for digest in validation.set_digests:
                self._books.results.judged(job.target, digest, job.run)

    def _count_new_rows(self, result: dict[str, Any]) -> None:
        """New rows add up until a run of their target starts."""
        for target, key in (("embedding", "new_pairs"), ("expansion", "new_expansions")):
            fact = f"new-rows:{target}"
            total = int(self._books.knowledge.fact(fact) or 0) + int(result[key])
            self._books.knowledge.set_fact(fact, str(total))

    def _end(self, job: Job, outcome: str, reason: str, now: datetime) -> None:
        assert job.run is not None
        self._books.jobs.end_run(job.run, "done", outcome, reason, now)
        title = {
            "promoted": f"Better {job.target} search is live",
            "rejected": f"The new {job.target} model was not better",
            "cannot-tell": f"Cannot tell whether the new {job.target} model is better",
            "rolled-back": f"The new {job.target} release was taken back",
        }.get(outcome, f"The {job.target} run ended: {outcome}")
        self._books.alerts.post(outcome, title, reason, now)

    def _fail(self, job: Job, message: str, remedy: str, now: datetime) -> None:
        self._books.jobs.fail(job, message, remedy, now)
        title = f"The {job.target or 'refresh'} job failed in {job.stage}"
        self._books.alerts.post("failed", title, f"{message}. The live search is untouched. Next: {remedy}", now)


class _Teller:
    """Folds a worker's events into the ledger; progress is written at most once a second."""

    def __init__(self, books: Books, job: Job) -> None:
        self._books = books
        self._job = job
        self._written = datetime.fromtimestamp(0, UTC)
        self._phase: str | None = None

    def hear(self, event: Event) -> None:
        now = _now()
        match event:
            case Receipt():
                self._books.receipts.add(self._job.id, event, now)
            case Phase(text=text, done=done, total=total):
                shown = f"{text} {done} of {total}" if total else text
                if (now - self._written).total_seconds() >= 1.0 or text != self._phase:
                    self._write(shown, None, now)
                self._phase = text
            case Step(progress=progress):
                if (now - self._written).total_seconds() >= 1.0 or progress.step == progress.steps:
                    self._write("training", progress, now)

    def _write(self, phase: str, progress: Progress | None, now: datetime) -> None:
        self._written = now
        if not self._books.jobs.note(self._job, phase=phase, progress=progress, now=now):
            raise Crashed("this job belongs to somebody else by now")


def _stored_answers(path: Path) -> list[StoredAnswer]:
    arms = msgspec.json.decode(path.read_bytes(), type=list[ArmAnswers])
    return [
        StoredAnswer(
            arm=arm.arm,
            query_set=arm.query_set,
            query=scored.answer.query,
            metrics=scored.metrics,
            documents=scored.answer.documents,
            milliseconds=scored.answer.milliseconds,
        )
        for arm in arms
        for scored in arm.scored
    ]


def _now() -> datetime:
    return datetime.now(UTC)
