"""One thread for what is asked and what is due: requests, triggers, alerts, and the bell for whatever waits.

Nothing here is timed by the wall clock, which jumps; what is due is decided by ``daemon.triggers`` and
``daemon.copies``, which know that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog
from msgspec import Struct

from config.paths import Home
from config.settings import Settings
from daemon import spool
from daemon.consent_watch import look_at_the_log
from daemon.copies import Copies
from daemon.housekeeping import Clearing
from daemon.ledger.books import Books
from daemon.ledger.database import Damaged
from daemon.ledger.records import Request
from daemon.triggers import due_triggers
from jobs.domain.errors import Refused
from jobs.domain.examples import Target
from jobs.domain.states import RunState

log = structlog.get_logger()

POLL_SECONDS = 0.3
RECLAIM_SECONDS = 5.0
STUCK_SECONDS = 300.0
"""A round takes milliseconds; one that clears the disk or waits for the desktop's notifiers may take minutes."""

# What a person may ask about a waiting job: the states it may be in, and the one it comes to.
_STOPPING = {"cancel": (("queued", "paused", "quarantined"), "cancelled"), "pause": (("queued",), "paused")}
_RETURNING = {"resume": ("paused",), "retry": ("failed", "cancelled", "quarantined")}


class _RunAsked(Struct, frozen=True, kw_only=True):
    target: Target
    forced: bool


class _Switched(Struct, frozen=True, kw_only=True):
    left: str | None
    live: str


class _JobAsked(Struct, frozen=True, kw_only=True):
    job: int


class _AlertsRead(Struct, frozen=True, kw_only=True):
    alerts: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Calls:
    """What the scheduler sets in motion elsewhere in the daemon."""

    ring: Callable[[int], None]
    may_start: Callable[[], bool]
    """Whether the machine's condition allows heavy work now."""
    reclaim: Callable[[], list[int]]
    """Settles running jobs that nobody runs; returns those that wait again."""
    clear_away: Callable[[], Clearing]
    """Raises Refused while a job of a run is at work."""
    open_page: Callable[[], dict[str, Any]]
    """Lets the page be reached; the answer holds its link."""
    tell: Callable[[str, str], None]
    """Tries to put an alert of this kind, with what it is about, on the desktop. Never raises for what that does."""


class Scheduler:
    def __init__(self, books: Books, home: Home, settings: Settings, calls: Calls) -> None:
        self._books = books
        self._home = home
        self._settings = settings
        self._calls = calls
        self._ring = calls.ring
        self._might_start = True
        self._reclaimed_at = time.monotonic()
        self._round_at = time.monotonic()
        self._copies = Copies(books, home.snapshots)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scheduler")

    def start(self) -> None:
        if self._books.knowledge.fact("installed-at") is None:
            self._books.knowledge.set_fact("installed-at", _now().isoformat())
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def is_stuck(self) -> bool:
        return time.monotonic() - self._round_at > STUCK_SECONDS

    def changed(self) -> None:
        """The knowledge base changed: keep the examples fresh."""
        job = self._books.jobs.want_refresh(_now())
        if job is not None:
            self._ring(job.id)

    def tick(self) -> None:
        """Every minute: start what is due, and ring again for whatever waits."""
        knowledge, now = self._books.knowledge, _now()
        installed = knowledge.moment("installed-at") or now
        targets = self._settings.schedule.targets
        started = {target: knowledge.moment(f"last-run:{target}") for target in targets}
        triggers = due_triggers(
            self._settings.schedule,
            new_rows={target: int(knowledge.fact(f"new-rows:{target}") or 0) for target in targets},
            left_undone=[target for target in targets if self._left_undone(target)],
            last_started={target: moment.astimezone() for target, moment in started.items() if moment is not None},
            installed_at=installed.astimezone(),
            now=now.astimezone(),
        )
        for trigger in triggers:
            self.start_run(trigger.target, trigger.cause, forced=False)
        self._ring_for_waiting()
        look_at_the_log(self._books, self._home.consent, now)
        self._copies.keep(now)

    def _left_undone(self, target: Target) -> bool:
        last = self._books.jobs.latest_run(target)
        return last is not None and last.state in (RunState.FAILED, RunState.CANCELLED)

    def _ring_for_waiting(self) -> None:
        for job in self._books.jobs.in_state("queued"):
            self._ring(job.id)

    def start_run(self, target: Target, cause: str, *, forced: bool) -> dict[str, Any]:
        """Answers with the new run's number, or with the reason why there is none."""
        now = _now()
        with self._books.database.transaction():
            started = self._books.jobs.start_run(target, cause=cause, forced=forced, now=now)
            if started is None:
                return {"refused": f"a run of {target} is under way already"}
            self._books.knowledge.set_fact(f"last-run:{target}", now.isoformat())
            self._books.knowledge.set_fact(f"new-rows:{target}", "0")
        run, job = started
        log.info("run started", run=run.id, target=target, cause=cause)
        self._ring(job.id)
        return {"run": run.id, "job": job.id}

    def _run(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            self._round_at = time.monotonic()
            try:
                self._round()
            except Exception:  # the boundary of this thread: one bad round must not end scheduling
                log.exception("a round of the scheduler failed")

    def _round(self) -> None:
        might, self._might_start = self._might_start, self._calls.may_start()
        if self._might_start and not might:
            self._ring_for_waiting()
        if time.monotonic() - self._reclaimed_at >= RECLAIM_SECONDS:
            self._reclaimed_at = time.monotonic()
            for job in self._calls.reclaim():
                self._ring(job)
        if unreadable := spool.take(self._home.requests, self._books.requests, _now()):
            log.warning("requests could not be read and were set aside", requests=unreadable)
            body = f"{unreadable} kept in the home, in requests/, and not followed. Next: ask again what had no effect"
            self._books.alerts.post("request-unreadable", "A request could not be read", body, _now())
        for request in self._books.requests.waiting():
            self._handle(request)
        for alert in self._books.alerts.undelivered():
            if self._books.alerts.take(alert.id, _now()):
                self._calls.tell(alert.kind, alert.about)

    def _handle(self, request: Request) -> None:
        """The effect and its answer are one transaction: a request is never done twice."""
        try:
            with self._books.database.transaction():
                self._books.requests.handled(request.id, self._answer(request), _now())
        except Damaged:
            raise
        except Exception as error:  # one request that breaks must not keep the others waiting; its effect is undone
            log.exception("a request could not be done", action=request.action)
            self._books.requests.handled(request.id, {"refused": _why_not(error)}, _now())

    def _answer(self, request: Request) -> dict[str, Any]:
        how = request.action
        known: dict[str, Callable[[], dict[str, Any]]] = {
            "run": lambda: self._run_asked(msgspec.convert(request.argument, _RunAsked)),
            "refresh": self._refresh,
            "cancel": lambda: self._stop_job(_job(request), how),
            "pause": lambda: self._stop_job(_job(request), how),
            "resume": lambda: self._requeue(_job(request), _RETURNING[how]),
            "retry": lambda: self._requeue(_job(request), _RETURNING[how]),
            "run-now": lambda: self._run_now(_job(request)),
            "gc": self._clear,
            "ui": self._calls.open_page,
            "acknowledge": lambda: self._acknowledge(msgspec.convert(request.argument, _AlertsRead).alerts),
            "switched": lambda: self._switched(msgspec.convert(request.argument, _Switched)),
        }
        if how not in known:
            return {"refused": f"this daemon does not know how to {how}; restart it after an upgrade"}
        return known[how]()

    def _run_asked(self, asked: _RunAsked) -> dict[str, Any]:
        return self.start_run(asked.target, "asked for", forced=asked.forced)

    def _refresh(self) -> dict[str, Any]:
        self.changed()
        return {}

    def _acknowledge(self, alerts: tuple[int, ...]) -> dict[str, Any]:
        read = [alert for alert in dict.fromkeys(alerts) if self._books.alerts.acknowledge(alert, _now())]
        return {"acknowledged": read, "unknown": [alert for alert in alerts if alert not in read]}

    def _switched(self, switch: _Switched) -> dict[str, Any]:
        title, body = f"{switch.live} is live", f"{switch.left} was left by hand"
        self._books.alerts.post("switched", title, body, _now(), about=switch.live)
        return {"live": switch.live}

    def _clear(self) -> dict[str, Any]:
        try:
            cleared: dict[str, Any] = msgspec.to_builtins(self._calls.clear_away())
        except Refused as error:
            return {"refused": error.message, "remedy": error.remedy}
        return cleared

    def _stop_job(self, job: int, how: str) -> dict[str, Any]:
        jobs = self._books.jobs
        waiting, state = _STOPPING[how]
        with self._books.database.transaction():
            if jobs.move_waiting(job, waiting, state, _now()):
                run = jobs.job(job).run
                if how == "cancel" and run is not None:
                    jobs.end_run(run, "cancelled", None, "asked for", _now())
                return {"job": job, "state": state}
            found = jobs.job(job)
            if found.state != "running":
                return {"refused": f"job {job} is {found.state}: there is nothing to {how}"}
            jobs.want_stop(job, how)
            return {"job": job, "state": f"running, {how} wanted"}

    def _run_now(self, job: int) -> dict[str, Any]:
        """Rung for at once. The machine's pace and the room on the disk still decide whether it starts."""
        if self._books.jobs.job(job).state != "queued":
            return self._requeue(job, (*_RETURNING["resume"], *_RETURNING["retry"]))
        self._ring(job)
        return {"job": job, "state": "queued"}

    def _requeue(self, job: int, allowed: tuple[str, ...]) -> dict[str, Any]:
        jobs = self._books.jobs
        with self._books.database.transaction():
            found = jobs.job(job)
            if found.state not in allowed:
                return {"refused": f"job {job} is {found.state}, not {' or '.join(allowed)}"}
            if found.run is not None and not jobs.revive_run(found.run):
                return {"refused": f"run {found.run} is over, or another run of {found.target} is under way"}
            if not jobs.move_waiting(job, allowed, "queued", _now()):
                return {"refused": "another refresh waits already and does the same"}
            jobs.forgive(job)
        self._ring(job)
        return {"job": job, "state": "queued"}


def _why_not(error: Exception) -> str:
    match error:
        case KeyError():
            return f"there is no {error.args[0]}"
        case msgspec.ValidationError():
            return f"it was asked for in a way that this daemon does not know ({error})"
    return f"the daemon could not do it ({type(error).__name__}); logs/iaipd.log says more"


def _job(request: Request) -> int:
    return msgspec.convert(request.argument, _JobAsked).job


def _now() -> datetime:
    return datetime.now(UTC)
