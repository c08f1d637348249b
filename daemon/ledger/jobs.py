"""Runs and jobs: every change of state is a compare-and-set together with its event row."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from daemon.ledger.database import Database
from daemon.ledger.records import Job, Owner, Run, job_of, run_of
from jobs.domain.artifacts import Progress
from jobs.domain.examples import Target
from jobs.domain.states import JobState, may_move
from jobs.wire import Stage

MOST_ATTEMPTS = 3


class Jobs:
    """The queue. ``now`` values are aware datetimes given by the caller."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
        """A dataset job without a run; none if one is waiting already (changes coalesce)."""
        with self._database.transaction() as connection:
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

    def finish(self, job: Job, result: dict[str, Any], following: Stage | None, now: datetime) -> Job | None:
        """running → done and the run's next job, in one transaction. Returns that next job, if any."""
        with self._database.transaction() as connection:
            if not self._leave(connection, job, "done", now, result=result):
                return None
            if following is None or job.run is None:
                return None
            return self.job(self._insert(connection, following, job.target, job.run, now))

    def fail(self, job: Job, message: str, remedy: str, now: datetime) -> bool:
        with self._database.transaction() as connection:
            moved = self._leave(connection, job, "failed", now, error=message, remedy=remedy)
            if moved and job.run is not None:
                self.end_run(job.run, "failed", None, message, now)
            return moved

    def put_back(self, job: Job, reason: str, now: datetime, *, blameless: bool) -> bool:
        """running → queued. ``blameless``: a planned stop, which does not count as an attempt.

        A refresh goes → cancelled while another waits in the queue: that one does all it would do.
        """
        with self._database.transaction() as connection:
            if job.run is None and any(waiting.run is None for waiting in self.in_state("queued")):
                return self._leave(connection, job, "cancelled", now, event={"reason": reason})
            moved = self._leave(connection, job, "queued", now, event={"reason": reason})
            if moved and blameless:
                connection.execute("UPDATE job SET attempts = attempts - 1 WHERE id = ?", (job.id,))
            return moved

    def set_aside(self, job: Job, state: str, reason: str, now: datetime) -> bool:
        """running → paused or cancelled, because somebody asked for it."""
        with self._database.transaction() as connection:
            moved = self._leave(connection, job, state, now, event={"reason": reason})
            if moved and state == "cancelled" and job.run is not None:
                self.end_run(job.run, "cancelled", None, reason, now)
            return moved

    def move_waiting(self, job: int, allowed: Sequence[str], state: str, now: datetime) -> bool:
        """A job that nobody runs changes state, if it is in one of the ``allowed`` states."""
        assert all(may_move(JobState(before), JobState(state)) for before in allowed), (allowed, state)
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE job SET state = ?, stop_wanted = NULL WHERE id = ?"
                " AND state IN (SELECT value FROM json_each(?))",
                (state, job, msgspec.json.encode(allowed).decode()),
            ).rowcount
            if changed:
                self._event(connection, job, state, {}, now)
            return bool(changed)

    def forgive(self, job: int) -> None:
        """Attempts start again at nought: the owner asked for another try."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE job SET attempts = 0, error = NULL, remedy = NULL WHERE id = ?", (job,))

    def revive_run(self, run: int) -> bool:
        """failed → active, unless the target has another active run by now."""
        with self._database.transaction() as connection:
            try:
                connection.execute(
                    "UPDATE run SET state = 'active', reason = NULL, ended_at = NULL WHERE id = ?"
                    " AND state IN ('failed', 'cancelled')",
                    (run,),
                )
            except sqlite3.IntegrityError:
                return False
            return True

    def want_stop(self, job: int, how: str) -> None:
        with self._database.transaction() as connection:
            connection.execute("UPDATE job SET stop_wanted = ? WHERE id = ? AND state = 'running'", (how, job))

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

    def job(self, job: int) -> Job:
        row = self._database.row("SELECT * FROM job WHERE id = ?", job)
        if row is None:
            raise KeyError(job)
        return job_of(row)

    def run(self, run: int) -> Run:
        row = self._database.row("SELECT * FROM run WHERE id = ?", run)
        if row is None:
            raise KeyError(run)
        return run_of(row)

    def in_state(self, *states: str) -> list[Job]:
        return [
            job_of(row)
            for row in self._database.rows(
                "SELECT * FROM job WHERE state IN (SELECT value FROM json_each(?)) ORDER BY id",
                msgspec.json.encode(states).decode(),
            )
        ]

    def of_run(self, run: int) -> list[Job]:
        return [job_of(row) for row in self._database.rows("SELECT * FROM job WHERE run = ? ORDER BY id", run)]

    def recent(self, most: int) -> list[Job]:
        return [job_of(row) for row in self._database.rows("SELECT * FROM job ORDER BY id DESC LIMIT ?", most)]

    def counts(self) -> dict[str, int]:
        return {
            row["state"]: row["n"] for row in self._database.rows("SELECT state, count(*) AS n FROM job GROUP BY state")
        }

    def latest_run(self, target: str | None = None) -> Run | None:
        row = self._database.row("SELECT * FROM run WHERE ? IS NULL OR target = ? ORDER BY id DESC", target, target)
        return None if row is None else run_of(row)

    def _leave(
        self,
        connection: sqlite3.Connection,
        job: Job,
        state: str,
        now: datetime,
        *,
        result: dict[str, Any] | None = None,
        error: str | None = None,
        remedy: str | None = None,
        event: dict[str, Any] | None = None,
    ) -> bool:
        """running → ``state``, only under the lease that ``job`` was claimed with: a zombie changes nothing."""
        assert may_move(JobState.RUNNING, JobState(state)), state
        changed = connection.execute(
            "UPDATE job SET state = ?, owner_boot = NULL, owner_pid = NULL, owner_started = NULL, stop_wanted = NULL,"
            " ended_at = ?, result = ?, error = ?, remedy = ? WHERE id = ? AND lease = ? AND state = 'running'",
            (
                state,
                now.isoformat(),
                None if result is None else msgspec.json.encode(result).decode(),
                error,
                remedy,
                job.id,
                job.lease,
            ),
        ).rowcount
        if changed:
            self._event(connection, job.id, state, event or {}, now)
        return bool(changed)

    def _insert(
        self, connection: sqlite3.Connection, stage: Stage, target: Target | None, run: int | None, now: datetime
    ) -> int:
        cursor = connection.execute(
            "INSERT INTO job (stage, target, run, created_at) VALUES (?, ?, ?, ?)",
            (stage, target, run, now.isoformat()),
        )
        assert cursor.lastrowid is not None
        self._event(connection, cursor.lastrowid, "queued", {}, now)
        return cursor.lastrowid

    @staticmethod
    def _event(connection: sqlite3.Connection, job: int, kind: str, data: dict[str, Any], now: datetime) -> None:
        connection.execute(
            "INSERT INTO event (job, at, kind, data) VALUES (?, ?, ?, ?)",
            (job, now.isoformat(), kind, msgspec.json.encode(data).decode()),
        )
