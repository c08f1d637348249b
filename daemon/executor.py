"""One attempt at one job: claim → specify → run → settle. What becomes of it is decided in ``_settle`` alone."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec
import structlog

from config.paths import Home
from daemon.ledger.books import Books
from daemon.ledger.jobs import Left
from daemon.ledger.records import Job, Owner, StoredAnswer
from daemon.runner import Crashed
from jobs.domain.artifacts import Progress
from jobs.domain.confinement import Receipt
from jobs.domain.endings import Ending, ending_of_attempt
from jobs.domain.errors import DiskFull, IaipError, Refused
from jobs.domain.results import ArmAnswers, DeployResult, ValidationResult
from jobs.domain.states import RunOutcome
from jobs.wire import LIGHT_STAGES, Done, Event, Failed, JobSpec, Phase, Step, following

log = structlog.get_logger()

OUTCOMES = {"promote": RunOutcome.PROMOTED, "reject": RunOutcome.REJECTED}


class RunWorker(Protocol):
    def __call__(
        self, spec: JobSpec, log: Path, on_event: Callable[[Event], None], should_stop: Callable[[], bool]
    ) -> Done | Failed: ...


@dataclass(frozen=True, kw_only=True)
class Means:
    """What an attempt is made with. ``may_start``: is this a moment for heavy work? ``has_room``: would the job fit on
    the volume now? ``end_trial`` takes back a release that is live on trial, and names it."""

    run_worker: RunWorker
    may_start: Callable[[], bool]
    has_room: Callable[[Job], bool]
    end_trial: Callable[[], str | None]


class Executor:
    """Runs jobs in the calling thread: over all threads one light job at a time, and one heavy one, if it may start."""

    def __init__(self, books: Books, home: Home, owner: Owner, stopping: threading.Event, means: Means) -> None:
        self._books = books
        self._home = home
        self._owner = owner
        self._stopping = stopping
        self._means = means
        self._light, self._heavy = threading.Lock(), threading.Lock()
        self._at: list[int] = []  # a job may be rung for twice, and then is here twice

    def attended(self) -> frozenset[int]:
        """The jobs that a thread of this executor is at, or about to claim."""
        return frozenset(self._at)

    def execute(self, job_id: int) -> list[int]:
        """Does the job if it is waiting and may run now; returns the jobs to ring for next."""
        waiting = self._books.jobs.job(job_id)
        light = waiting.stage in LIGHT_STAGES
        slot = self._light if light else self._heavy
        if self._stopping.is_set() or not slot.acquire(blocking=False):
            return []
        self._at.append(job_id)
        try:
            if not light and (self._books.jobs.whose_turn(waiting) or not self._means.may_start()):
                return []
            if not self._means.has_room(waiting):
                return []
            job = self._books.jobs.claim(job_id, self._owner, _now())
            if job is None:
                return []
            self._attempt(job)
        finally:
            self._at.remove(job_id)
            slot.release()
        return [waiting.id for waiting in self._books.jobs.in_state("queued")]

    def _attempt(self, job: Job) -> None:
        with structlog.contextvars.bound_contextvars(job=job.id, run=job.run, stage=job.stage):
            self._attempt_told(job)

    def _attempt_told(self, job: Job) -> None:
        """Every line that is logged meanwhile by this thread names the job and its run."""
        log.info("job started", target=job.target, attempt=job.attempts)
        try:
            self._settle(job, self._outcome(job))
        except Exception as error:  # the boundary of an attempt: whatever broke, the job must not stay behind
            log.exception("an attempt broke")
            broken = f"the daemon could not run it ({type(error).__name__})"
            self._leave(job, Ending.CRASHED, broken, "read logs/iaipd.log", _now())
        log.info("job settled", state=self._books.jobs.job(job.id).state)

    def _outcome(self, job: Job) -> Done | Failed | Crashed:
        log_file = self._home.logs / "jobs" / f"{job.id}.log"
        teller = _Teller(self._books, job)
        try:
            return self._means.run_worker(self._specify(job), log_file, teller.hear, self._wanted_to_stop(job))
        except Crashed as crash:
            return crash

    def _specify(self, job: Job) -> JobSpec:
        books = self._books
        run = None if job.run is None else books.jobs.run(job.run)
        earlier: dict[str, Any] = (
            {} if job.run is None else {j.stage: j.result for j in books.jobs.of_run(job.run) if j.result}
        )
        judged = books.results.judgements_before(run.target, run.id) if run and job.stage == "validate" else {}
        return JobSpec(
            job=job.id,
            run=job.run,
            stage=job.stage,
            target=job.target,
            home=str(self._home.root),
            forced=bool(run and run.forced),
            smaller=job.reboots > 0,
            judged_before=judged,
            earlier=earlier,
            documents=books.knowledge.texts() if job.stage == "dataset" else (),
        )

    def _wanted_to_stop(self, job: Job) -> Callable[[], bool]:
        def wanted() -> bool:
            return self._stopping.is_set() or self._books.jobs.job(job.id).stop_wanted is not None

        return wanted

    def _settle(self, job: Job, outcome: Done | Failed | Crashed) -> None:
        """The ending of an attempt, told here and nowhere else; ``jobs.domain.endings`` says what becomes of it."""
        now = _now()
        wanted = self._books.jobs.job(job.id).stop_wanted or ("stop" if self._stopping.is_set() else None)
        match outcome:
            case Done():
                self._finish(job, outcome, now)
            case Crashed():
                ending = ending_of_attempt(wanted, crashed=True)
                self._leave(job, ending, str(outcome), f"read logs/jobs/{job.id}.log", now)
            case Failed(kind=DiskFull.__name__):
                fits = wanted is None and self._fits(job)  # then it is tried again as after a crash, a few times
                ending = ending_of_attempt(wanted, crashed=fits, no_room=not fits)
                self._leave(job, ending, outcome.message, outcome.remedy, now)
            case Failed():
                ending = ending_of_attempt(wanted, gave_back=outcome.kind == "stopped")
                self._leave(job, ending, outcome.message, outcome.remedy, now)

    def _fits(self, job: Job) -> bool:
        """Whether the volume has room again; where not even the question can be noted, it has none."""
        try:
            return self._means.has_room(job)
        except (IaipError, OSError):
            return False

    def _leave(self, job: Job, ending: Ending, message: str, remedy: str, now: datetime) -> None:
        reason = {Ending.CANCELLED: "asked for", Ending.PAUSED: "asked for"}
        if self._stopping.is_set():
            reason[Ending.STOPPED] = "the daemon stopped"
        with self._books.database.transaction():
            left = Left(ending=ending, reason=reason.get(ending, message), remedy=remedy)
            settled = self._books.jobs.settle(job, left, now)
            if settled is None:
                return
            safe = self._safe(job)
            if settled.state == "failed":
                times = f", {settled.attempts} times" if ending is Ending.CRASHED else ""
                title = f"The {job.target or 'refresh'} job failed in {job.stage}"
                body = f"{message}{times}. {safe} Next: {remedy}"
                self._books.alerts.post("failed", title, body, now, about=job.target or "")

    def _safe(self, job: Job) -> str:
        """A deployment that is not done leaves no unconfirmed release live, also where it will be tried again: that
        may be hours away. Says how the live search is."""
        try:
            left = self._means.end_trial() if job.stage == "deploy" else None
        except (Refused, OSError):
            return "Its release may be on trial until the daemon's next start; `iaipctl releases` shows it."
        return f"{left} was on trial and was taken back." if left else "The live search is untouched."

    def _finish(self, job: Job, done: Done, now: datetime) -> None:
        books = self._books
        with books.database.transaction():
            if not books.jobs.finish(job, done.result, None if done.ends_run else following(job.stage), now):
                return
            self._record(job, done.result)
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
            self._say_consent(result)
        if job.stage == "dataset" and "curated_problems" in result:
            self._books.knowledge.set_value(f"curated-problems:{job.target}", result["curated_problems"])
        if job.stage == "validate" and job.run is not None and job.target is not None:
            validation = msgspec.convert(result, ValidationResult)
            self._books.results.store(job.run, _stored_answers(Path(validation.answers)))
            self._books.results.judged(job.target, validation.judged_by, job.run)

    def _count_new_rows(self, result: dict[str, Any]) -> None:
        """New rows add up until a run of their target starts."""
        for target, key in (("embedding", "new_pairs"), ("expansion", "new_expansions")):
            fact = f"new-rows:{target}"
            total = int(self._books.knowledge.fact(fact) or 0) + int(result[key])
            self._books.knowledge.set_fact(fact, str(total))

    def _say_consent(self, result: dict[str, Any]) -> None:
        """What consent keeps out, for ``status``; and loudly, when a restriction has nothing left to restrict."""
        knowledge, idle = self._books.knowledge, [str(name) for name in result.get("idle", ())]
        known = knowledge.value("consent-idle", list[str])
        if known is not None and (number := len(set(idle) - set(known))):
            body = (
                f"{number} restricted places hold no note. Notes that were moved stay restricted until somebody edits"
                " them: classify them where they lie now. `iaipctl consent coverage` names the places"
            )
            self._books.alerts.post("restriction-idle", "A restriction restricts nothing now", body, _now())
        knowledge.set_value("consent-idle", idle)
        knowledge.set_fact("consent-denied", msgspec.json.encode(result.get("denied", {})).decode())

    def _end(self, job: Job, outcome: str, reason: str, now: datetime) -> None:
        assert job.run is not None
        self._books.jobs.end_run(job.run, "done", outcome, reason, now)
        title = {
            "promoted": f"Better {job.target} search is live",
            "rejected": f"The new {job.target} model was not better",
            "cannot-tell": f"Cannot tell whether the new {job.target} model is better",
            "refused": f"The {job.target} run was stopped: consent changed",
            "rolled-back": f"The new {job.target} release was taken back",
        }.get(outcome, f"The {job.target} run ended: {outcome}")
        self._books.alerts.post(outcome, title, reason, now, about=job.target or "")


class _Teller:
    """Folds a worker's events into the ledger; progress is written at most once a second."""

    def __init__(self, books: Books, job: Job) -> None:
        self._books = books
        self._job = job
        self._written = -math.inf  # on the monotonic clock: the wall clock may be set back
        self._phase: str | None = None

    def hear(self, event: Event) -> None:
        due = time.monotonic() - self._written >= 1.0
        match event:
            case Receipt():
                self._books.receipts.add(self._job.id, event, _now())
            case Phase(text=text, done=done, total=total):
                shown = f"{text} {done} of {total}" if total else text
                if due or text != self._phase:
                    self._write(shown, None)
                self._phase = text
            case Step(progress=progress):
                if due or progress.step == progress.steps:
                    self._write("training", progress)

    def _write(self, phase: str, progress: Progress | None) -> None:
        self._written = time.monotonic()
        if not self._books.jobs.note(self._job, phase=phase, progress=progress, now=_now()):
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
