"""One thread for what is asked and what is due: requests, triggers, alerts, and the bell for whatever waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from config.settings import Settings
from daemon.ledger.books import Books
from daemon.ledger.records import Request
from daemon.system.notifications import notify
from daemon.triggers import due_triggers
from jobs.domain.examples import Target

log = structlog.get_logger()

POLL_SECONDS = 0.3
REQUEUED_FROM = {"resume": ("paused",), "retry": ("failed", "cancelled")}


class Scheduler:
    def __init__(
        self, books: Books, settings: Settings, ring: Callable[[int], None], open_page: Callable[[], dict[str, Any]]
    ) -> None:
        self._books = books
        self._settings = settings
        self._ring = ring
        self._open_page = open_page
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scheduler")

    def start(self) -> None:
        if self._books.knowledge.fact("installed-at") is None:
            self._books.knowledge.set_fact("installed-at", _now().isoformat())
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

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
            last_started={target: moment.astimezone() for target, moment in started.items() if moment is not None},
            installed_at=installed.astimezone(),
            now=now.astimezone(),
        )
        for trigger in triggers:
            self.start_run(trigger.target, trigger.cause, forced=False)
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
            try:
                self._round()
            except Exception:  # the boundary of this thread: one bad round must not end scheduling
                log.exception("a round of the scheduler failed")

    def _round(self) -> None:
        for request in self._books.requests.waiting():
            answer = self._answer(request)
            self._books.requests.handled(request.id, answer, _now())
        for alert in self._books.alerts.undelivered():
            self._books.alerts.attempted(alert.id, _now())
            notify(alert.title, alert.body)

    def _answer(self, request: Request) -> dict[str, Any]:
        job = int(request.argument.get("job", 0))
        match request.action:
            case "run":
                return self.start_run(request.argument["target"], "asked for", forced=request.argument["forced"])
            case "ui":
                return self._open_page()
            case "cancel":
                return self._stop_job(job, "cancel", ("queued", "paused"), "cancelled")
            case "pause":
                return self._stop_job(job, "pause", ("queued",), "paused")
            case "resume" | "retry":
                return self._requeue(job, REQUEUED_FROM[request.action])
        return {"refused": f"this daemon does not know how to {request.action}; restart it after an upgrade"}

    def _stop_job(self, job: int, how: str, waiting: tuple[str, ...], state: str) -> dict[str, Any]:
        jobs = self._books.jobs
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

    def _requeue(self, job: int, allowed: tuple[str, ...]) -> dict[str, Any]:
        jobs = self._books.jobs
        with self._books.database.transaction():
            found = jobs.job(job)
            if found.state not in allowed:
                return {"refused": f"job {job} is {found.state}, not {' or '.join(allowed)}"}
            if found.run is not None and not jobs.revive_run(found.run):
                return {"refused": f"another run of {found.target} is under way; wait for it or cancel it"}
            jobs.forgive(job)
            jobs.move_waiting(job, allowed, "queued", _now())
        self._ring(job)
        return {"job": job, "state": "queued"}


def _now() -> datetime:
    return datetime.now(UTC)
