"""What deleting has to know of the ledger."""

from __future__ import annotations

import msgspec

from daemon.ledger.database import Database
from jobs.domain.retention import RunFacts


def run_facts(database: Database) -> list[RunFacts]:
    """Every run with the name of its dataset, oldest first."""
    rows = database.rows(
        "SELECT run.id, run.target, run.state, json_extract(job.result, '$.dataset') AS dataset FROM run"
        " LEFT JOIN job ON job.run = run.id AND job.stage = 'dataset' AND job.state = 'done' ORDER BY run.id"
    )
    return [msgspec.convert(dict(row), RunFacts) for row in rows]


def last_end(database: Database) -> str | None:
    """When a run last ended; it changes whenever another has."""
    row = database.row("SELECT max(ended_at) AS at FROM run")
    return None if row is None else row["at"]


def running_job_of_a_run(database: Database) -> int | None:
    """A job that is at work on a run. Keeping examples fresh belongs to none."""
    row = database.row("SELECT id FROM job WHERE state = 'running' AND run IS NOT NULL ORDER BY id LIMIT 1")
    return None if row is None else int(row["id"])
