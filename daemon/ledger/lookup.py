"""Runs and jobs, read. Every question costs the same however long the ledger has grown."""

from __future__ import annotations

import msgspec

from daemon.ledger.database import Database
from daemon.ledger.records import Job, Run, job_of, run_of
from jobs.wire import LIGHT_STAGES


class Lookup:
    """What the command line and the daemon ask about the queue."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def job(self, job: int) -> Job:
        """Raises KeyError for a number that was never given out."""
        row = self._database.row("SELECT * FROM job WHERE id = ?", job)
        if row is None:
            raise KeyError(f"job {job}")
        return job_of(row)

    def run(self, run: int) -> Run:
        """Raises KeyError for a number that was never given out."""
        row = self._database.row("SELECT * FROM run WHERE id = ?", run)
        if row is None:
            raise KeyError(f"run {run}")
        return run_of(row)

    def in_state(self, *states: str) -> list[Job]:
        """Oldest first."""
        found = self._database.rows(
            "SELECT * FROM job WHERE state IN (SELECT value FROM json_each(?)) ORDER BY id",
            msgspec.json.encode(states).decode(),
        )
        return [job_of(row) for row in found]

    def whose_turn(self, job: Job) -> Run | None:
        """The run that began earlier and is on its way: one run at a time changes what is live, so that each is
        judged and deployed against what it measured. One that waits for a person holds up nobody."""
        row = self._database.row(
            "SELECT run.* FROM job JOIN run ON run.id = job.run"
            " WHERE job.state IN ('queued', 'running') AND run.state = 'active' AND run.id < ? LIMIT 1",
            job.run,
        )
        return None if row is None else run_of(row)

    def waits_its_turn(self, job: Job) -> str:
        """In words; nothing for a job that does not wait for another run."""
        before = self.whose_turn(job) if job.state == "queued" and job.stage not in LIGHT_STAGES else None
        return "" if before is None else f"run {job.run} waits for run {before.id} ({before.target}) to end"

    def of_run(self, run: int) -> list[Job]:
        return [job_of(row) for row in self._database.rows("SELECT * FROM job WHERE run = ? ORDER BY id", run)]

    def recent(self, most: int) -> list[Job]:
        """Newest first."""
        return [job_of(row) for row in self._database.rows("SELECT * FROM job ORDER BY id DESC LIMIT ?", most)]

    def counts(self) -> dict[str, int]:
        """Jobs by state, kept up to date by the ledger's triggers."""
        rows = self._database.rows("SELECT state, jobs FROM job_count WHERE jobs > 0")
        return {row["state"]: row["jobs"] for row in rows}

    def latest_run(self, target: str | None = None) -> Run | None:
        if target is None:
            row = self._database.row("SELECT * FROM run ORDER BY id DESC LIMIT 1")
        else:
            row = self._database.row("SELECT * FROM run WHERE target = ? ORDER BY id DESC LIMIT 1", target)
        return None if row is None else run_of(row)
