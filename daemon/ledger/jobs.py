"""Runs and jobs, changed: every change of state is a compare-and-set together with its event row."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from daemon.ledger.lookup import Lookup
from daemon.ledger.records import Job, Owner, Run
from jobs.domain.artifacts import Progress
from jobs.domain.curve import superfluous
from jobs.domain.endings import OWN_FAULTS, Ending, begins_as, fate
from jobs.domain.examples import Target
from jobs.domain.states import JobState, RunState, may_move
from jobs.wire import Stage

_RUN_ENDS = {JobState.FAILED: RunState.FAILED, JobState.CANCELLED: RunState.CANCELLED}


class Left(Struct, frozen=True, kw_only=True):
    """How an attempt ended, and why in words. ``remedy`` is what a person can do, should the job be given up."""

    ending: Ending
    reason: str
    remedy: str = ""


class Jobs(Lookup):
    """The queue. ``now`` values are aware datetimes given by the caller; nothing is ordered or timed by them."""

    def start_run(self, target: Target, *, cause: str, forced: bool, now: datetime) -> tuple[Run, Job] | None:
        """A new run with its first job; none if this target has an active run already."""
        with self._database.transaction() as connection:
            try:
                cursor = connection.execute(
                    "INSERT INTO run (target, cause, forced, created_at) VALUES (?, ?, ?, ?)",
                    (target, cause, forced, now.isoformat()),
                )
            except sqlite3.IntegrityError:
                return None
            run = cursor.lastrowid
            assert run is not None
            job = self._insert(connection, "dataset", target, run, now)
            return self.run(run), self.job(job)

    def want_refresh(self, now: datetime) -> Job | None:
        """A dataset job without a run; none if one is waiting already (changes coalesce) or is in quarantine."""
        with self._database.transaction() as connection:
            if any(job.run is None for job in self.in_state(JobState.QUARANTINED)):
                return None
            try:
                return self.job(self._insert(connection, "dataset", None, None, now))
            except sqlite3.IntegrityError:
                return None

    def claim(self, job: int, owner: Owner, now: datetime) -> Job | None:
        """queued → running under a new lease; none if somebody else was first."""
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE job SET state = 'running', lease = lease + 1, attempts = attempts + 1, owner_boot = ?,"
                " owner_pid = ?, owner_started = ?, started_at = ?, ended_at = NULL, error = NULL, remedy = NULL,"
                " phase = NULL, progress = NULL, stop_wanted = NULL WHERE id = ? AND state = 'queued'",
                (owner.boot, owner.pid, owner.started, now.isoformat(), job),
            ).rowcount
            if not changed:
                return None
            self._event(connection, job, "claimed", {"pid": owner.pid}, now)
            return self.job(job)

    def finish(self, job: Job, result: dict[str, Any], following: Stage | None, now: datetime) -> bool:
        """running → done, and the run's next job is there, in one transaction. False: the lease was lost.

        A wish that came too late to stop the job holds for the next one: it begins paused, or cancelled with the run.
        """
        with self._database.transaction() as connection:
            begins = begins_as(self.job(job.id).stop_wanted)
            if not self._leave(connection, job, JobState.DONE, now):
                return False
            connection.execute("UPDATE job SET result = ? WHERE id = ?", (msgspec.json.encode(result).decode(), job.id))
            self._event(connection, job.id, JobState.DONE, {}, now)
            if following is not None and job.run is not None:
                self._insert(connection, following, job.target, job.run, now, begins)
                if begins in _RUN_ENDS:
                    self.end_run(job.run, _RUN_ENDS[begins], None, "asked for", now)
            return True

    def settle(self, job: Job, left: Left, now: datetime) -> Job | None:
        """running → whatever ``fate`` decides, with the run if the job is given up. None: the lease was lost.

        An attempt counts only if it ended by the job's own fault; restarts of the machine count apart.
        A refresh does not go back to the queue while another waits there: that one does all it would do.
        """
        with self._database.transaction() as connection:
            attempts = job.attempts if left.ending in OWN_FAULTS else job.attempts - 1
            reboots = job.reboots + (left.ending is Ending.REBOOTED)
            state = fate(left.ending, attempts=attempts, reboots=reboots)
            if state is JobState.QUEUED and job.run is None and any(w.run is None for w in self.in_state("queued")):
                state = JobState.CANCELLED
            if not self._leave(connection, job, state, now):
                return None
            given_up = state in (JobState.FAILED, JobState.QUARANTINED)
            connection.execute(
                "UPDATE job SET attempts = ?, reboots = ?, error = ?, remedy = ? WHERE id = ?",
                (attempts, reboots, left.reason if given_up else None, left.remedy if given_up else None, job.id),
            )
            self._event(connection, job.id, state, {"ending": left.ending, "reason": left.reason}, now)
            if job.run is not None and state in _RUN_ENDS:
                self.end_run(job.run, _RUN_ENDS[state], None, left.reason, now)
            return self.job(job.id)

    def move_waiting(self, job: int, allowed: Sequence[str], state: str, now: datetime) -> bool:
        """A job that nobody runs changes state, if it is in one of the ``allowed`` states.

        False also for a refresh that would wait beside another.
        """
        assert all(may_move(JobState(before), JobState(state)) for before in allowed), (allowed, state)
        with self._database.transaction() as connection:
            try:
                changed = connection.execute(
                    "UPDATE job SET state = ?, stop_wanted = NULL WHERE id = ?"
                    " AND state IN (SELECT value FROM json_each(?))",
                    (state, job, msgspec.json.encode(allowed).decode()),
                ).rowcount
            except sqlite3.IntegrityError:
                return False
            if changed:
                self._event(connection, job, state, {}, now)
            return bool(changed)

    def forgive(self, job: int) -> None:
        """Attempts and restarts start again at nought: the owner asked for another try."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE job SET attempts = 0, reboots = 0, error = NULL, remedy = NULL WHERE id = ?", (job,)
            )

    def revive_run(self, run: int) -> bool:
        """failed or cancelled → active; whether it is active then. Not if the target has another active run by now."""
        with self._database.transaction() as connection:
            try:
                connection.execute(
                    "UPDATE run SET state = 'active', reason = NULL, ended_at = NULL WHERE id = ?"
                    " AND state IN ('failed', 'cancelled')",
                    (run,),
                )
            except sqlite3.IntegrityError:
                return False
            return self.run(run).state == "active"

    def want_stop(self, job: int, how: str) -> None:
        """Notes a person's wish about a running job; it outlives the daemon."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE job SET stop_wanted = ? WHERE id = ? AND state = 'running'", (how, job))

    def stop_all(self) -> None:
        """Running jobs are to go back to the queue in order: what happens to them from now on is nobody's fault."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE job SET stop_wanted = 'stop' WHERE state = 'running' AND stop_wanted IS NULL")

    def note(self, job: Job, *, phase: str | None, progress: Progress | None, now: datetime) -> bool:
        """Shows what a running job does. False: the lease is lost and the writer must stop."""
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE job SET phase = coalesce(?, phase), progress = ?"
                " WHERE id = ? AND lease = ? AND state = 'running'",
                (phase, None if progress is None else msgspec.json.encode(progress).decode(), job.id, job.lease),
            ).rowcount
            if changed and progress is not None:
                self._event(connection, job.id, "progress", msgspec.to_builtins(progress), now)
            return bool(changed)

    def end_run(self, run: int, state: str, outcome: str | None, reason: str, now: datetime) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE run SET state = ?, outcome = ?, reason = ?, ended_at = ? WHERE id = ? AND state = 'active'",
                (state, outcome, reason, now.isoformat(), run),
            )

    def _leave(self, connection: sqlite3.Connection, job: Job, state: JobState, now: datetime) -> bool:
        """running → ``state``, only under the lease that ``job`` was claimed with: a zombie changes nothing."""
        assert may_move(JobState.RUNNING, state), state
        changed = connection.execute(
            "UPDATE job SET state = ?, owner_boot = NULL, owner_pid = NULL, owner_started = NULL, stop_wanted = NULL,"
            " ended_at = ?, result = NULL WHERE id = ? AND lease = ? AND state = 'running'",
            (state, now.isoformat(), job.id, job.lease),
        ).rowcount
        if changed:
            self._thin_curve(connection, job.id)
        return bool(changed)

    @staticmethod
    def _thin_curve(connection: sqlite3.Connection, job: int) -> None:
        """A training reports every second; what is left of it afterwards is a chart's worth."""
        found = connection.execute("SELECT id FROM event WHERE job = ? AND kind = 'progress' ORDER BY id", (job,))
        doomed = superfluous([row["id"] for row in found])
        connection.executemany("DELETE FROM event WHERE id = ?", [(event,) for event in doomed])

    def _insert(
        self,
        connection: sqlite3.Connection,
        stage: Stage,
        target: Target | None,
        run: int | None,
        now: datetime,
        state: JobState = JobState.QUEUED,
    ) -> int:
        cursor = connection.execute(
            "INSERT INTO job (stage, target, run, state, created_at) VALUES (?, ?, ?, ?, ?)",
            (stage, target, run, state, now.isoformat()),
        )
        assert cursor.lastrowid is not None
        self._event(connection, cursor.lastrowid, state, {}, now)
        return cursor.lastrowid

    @staticmethod
    def _event(connection: sqlite3.Connection, job: int, kind: str, data: dict[str, Any], now: datetime) -> None:
        connection.execute(
            "INSERT INTO event (job, at, kind, data) VALUES (?, ?, ?, ?)",
            (job, now.isoformat(), kind, msgspec.json.encode(data).decode()),
        )
