"""One thread that looks at the machine and paces the heavy work. It decides nothing itself: daemon/pace.py does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from config.settings import Settings
from daemon.ledger.books import Books
from daemon.ledger.pace import PaceRecord
from daemon.pace import Decision, PaceState, Work, decide
from daemon.readings import Readings
from daemon.relapse import TOLD_AT, Relapses, after_leaving, held_back, wait
from daemon.stride import Stride
from jobs.wire import LEAVE, PAUSE, RUN, UNGOVERNED_STAGES, Done, Event, Failed, JobSpec, Order, Step

log = structlog.get_logger()

IDLE_FACTOR = 6.0
RECORDED_EVERY, RECORDED_EVERY_IDLE = timedelta(minutes=1), timedelta(minutes=10)
"""An unchanged decision, while something heavy runs and while nothing does."""


class Sampler(Protocol):
    def sample(self) -> Readings: ...


class StartWorker(Protocol):
    def __call__(
        self, spec: JobSpec, log: Path, on_event: Callable[[Event], None], order: Callable[[], Order]
    ) -> Done | Failed: ...


class Governor:
    """Give ``run_worker`` and ``may_start`` to the executor: jobs then run at the machine's pace."""

    def __init__(self, settings: Settings, telemetry: Sampler, books: Books, start_worker: StartWorker) -> None:
        self._settings = settings.governor
        self._reserve = settings.disk.reserve
        self._telemetry = telemetry
        self._books = books
        self._start_worker = start_worker
        self._state = PaceState()
        self._relapses = Relapses()
        self._decision = Decision(order=RUN, may_start=True, causes=(), reason="the machine was not looked at yet")
        self._recorded: PaceRecord | None = None
        self._recorded_causes: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self._watched: _Watched | None = None
        self._sampled_at = time.monotonic()
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="governor")

    def start(self) -> None:
        """Looks once before it returns, so that no job starts unseen."""
        self._look()
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        self._thread.join()

    def may_start(self) -> bool:
        """Whether a heavy job may be claimed now."""
        return self._decision.may_start

    def run_worker(
        self, spec: JobSpec, log: Path, on_event: Callable[[Event], None], should_stop: Callable[[], bool]
    ) -> Done | Failed:
        """Runs one worker at the governor's pace. What the governor made leave says why in its last word."""
        if spec.stage in UNGOVERNED_STAGES:
            return self._start_worker(spec, log, on_event, lambda: LEAVE if should_stop() else RUN)
        watched = _Watched(training=spec.stage == "train")
        with self._lock:
            self._watched = watched
        self._wake.set()

        def hear(event: Event) -> None:
            watched.hear(event)
            on_event(event)

        def order() -> Order:
            if should_stop():
                return LEAVE
            decision = self._decision
            if decision.order == LEAVE and watched.sent_away is None:
                watched.sent_away = decision.reason
                self._count_relapse(decision, watched)
            return LEAVE if watched.sent_away else decision.order

        try:
            outcome = self._start_worker(spec, log, hear, order)
        finally:
            with self._lock:
                self._watched = None
        if isinstance(outcome, Done):
            self._relapses = Relapses()
        return _with_reason(outcome, watched.sent_away)

    def _count_relapse(self, decision: Decision, watched: _Watched) -> None:
        now = time.monotonic()
        before, self._relapses = (
            self._relapses,
            after_leaving(self._relapses, causes=decision.causes, worked=now - watched.began, now=now),
        )
        if before.times < TOLD_AT == self._relapses.times:
            title = "Heavy work overloads this machine"
            body = (
                f"It was sent away {TOLD_AT} times soon after it began, the last time because {decision.reason}. It is"
                f" tried again in {wait(TOLD_AT) / 3600:.0f} h, then less often; search works as before. Next: close"
                " what fills the memory, or set a smaller batch_size in config.toml and `iaipctl restart`"
            )
            self._books.alerts.post("relapse", title, body, datetime.now(UTC))

    def sample(self) -> Decision:
        """Looks once and decides."""
        now = time.monotonic()
        readings = self._telemetry.sample()
        with self._lock:
            work = None if self._watched is None else self._watched.work(self._worked(now))
        self._sampled_at = now
        wall = datetime.now(UTC)
        decision, self._state = decide(
            self._state,
            readings,
            work,
            self._settings,
            reserve=self._reserve,
            now=now,
            wall=wall.astimezone().time(),
        )
        self._decision = held_back(decision, self._relapses, now) if work is None else decision
        self._record(readings, wall, busy=work is not None)
        return self._decision

    def _worked(self, now: float) -> float:
        """Seconds of work since the last look. A process that was stopped meanwhile did not work all the while."""
        seconds = min(now - self._sampled_at, 3 * self._settings.sample_every)
        order = self._decision.order
        return 0.0 if order in (PAUSE, LEAVE) else seconds * (1.0 - order.rest)

    def _record(self, readings: Readings, now: datetime, *, busy: bool) -> None:
        decision, last = self._decision, self._recorded
        order, causes = decision.order, decision.causes
        changed = last is None or (last.action, last.rest, self._recorded_causes) != (order.kind, order.rest, causes)
        every = RECORDED_EVERY if busy else RECORDED_EVERY_IDLE
        if last is not None and not changed and abs(now - last.at) < every:
            return
        self._recorded_causes = causes
        self._recorded = PaceRecord(
            at=now,
            since=now if changed or last is None else last.since,
            action=order.kind,
            rest=order.rest,
            reason=decision.reason,
            readings=readings,
        )
        self._books.pace.add(self._recorded)
        if changed:
            log.info("pace", action=order.kind, rest=order.rest, reason=decision.reason)

    def _run(self) -> None:
        while not self._stopping.is_set():
            busy = self._watched is not None
            self._wake.wait(self._settings.sample_every * (1.0 if busy else IDLE_FACTOR))
            self._wake.clear()
            if not self._stopping.is_set():
                self._look()

    def _look(self) -> None:
        try:
            self.sample()
        except Exception:  # the boundary of this thread: one failed look must not end the pacing
            log.exception("the machine could not be looked at")


class _Watched:
    """The heavy job that runs now: its steps as the worker reports them."""

    def __init__(self, *, training: bool) -> None:
        self.sent_away: str | None = None
        self.began = time.monotonic()
        self._training = training
        self._worked = 0.0
        self._step: int | None = None
        self._stride = Stride()

    def hear(self, event: Event) -> None:
        if isinstance(event, Step):
            ended = event.progress.step == event.progress.steps
            self._step = None if ended else event.progress.step

    def work(self, worked: float) -> Work:
        """``worked``: seconds of work since this was asked last. After its last step a training is not measured."""
        self._worked += worked
        if self._step is None:
            return Work(training=self._training, seconds=self._stride.worked if self._training else self._worked)
        self._stride = self._stride.after(worked, self._step)
        return Work(training=self._training, seconds=self._stride.worked, share=self._stride.share())


def _with_reason(outcome: Done | Failed, reason: str | None) -> Done | Failed:
    if reason is None or not isinstance(outcome, Failed) or outcome.kind != "stopped":
        return outcome
    return msgspec.structs.replace(outcome, message=f"{reason} ({outcome.message})")
