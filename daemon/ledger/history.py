"""What has been, for whoever looks back: lists without the large results, and a training's curve."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from daemon.ledger.database import Database
from daemon.ledger.records import Alert, Job, Run, alert_of, job_of, run_of
from jobs.domain.artifacts import Progress
from jobs.domain.gates import Verdict
from jobs.domain.results import ValidationResult

_WITHOUT_RESULT = (
    "id, run, stage, target, state, attempts, reboots, lease, owner_boot, owner_pid, owner_started, stop_wanted, phase,"
    " progress, NULL AS result, error, remedy, created_at, started_at, ended_at"
)


class Judged(Struct, frozen=True, kw_only=True):
    """A run's verdict. ``asked``: the queries that decided, by their digests."""

    run: int
    verdict: Verdict
    asked: tuple[str, ...]


class History:
    def __init__(self, database: Database) -> None:
        self._database = database

    def jobs(self, most: int, *, before: int | None = None) -> list[Job]:
        """The newest first, those numbered under ``before``; their results are left out."""
        return [
            job_of(row)
            for row in self._database.rows(
                f"SELECT {_WITHOUT_RESULT} FROM job WHERE ? IS NULL OR id < ? ORDER BY id DESC LIMIT ?",  # noqa: S608 - a constant of ours
                before,
                before,
                most,
            )
        ]

    def runs(self, most: int) -> list[Run]:
        """The newest first."""
        return [run_of(row) for row in self._database.rows("SELECT * FROM run ORDER BY id DESC LIMIT ?", most)]

    def alerts(self, most: int) -> list[Alert]:
        """The newest first, read ones too."""
        return [alert_of(row) for row in self._database.rows("SELECT * FROM alert ORDER BY id DESC LIMIT ?", most)]

    def progress(self, job: int, most: int) -> list[Progress]:
        """The job's reports by step, evenly thinned to about ``most``; a step trained twice counts as it last went."""
        rows = self._database.rows(
            "SELECT data FROM (SELECT id, data, row_number() OVER (ORDER BY id) AS number, count(*) OVER () AS total"
            " FROM event WHERE job = ? AND kind = 'progress')"
            " WHERE number % max(1, total / ?) = 0 OR number IN (1, total) ORDER BY id",
            job,
            most,
        )
        reports = [msgspec.json.decode(row["data"], type=Progress) for row in rows]
        by_step = {report.step: report for report in reports}
        return [by_step[step] for step in sorted(by_step)]

    def judged_run(self, target: str | None = None) -> Run | None:
        """The newest run that has a verdict."""
        row = self._database.row(
            "SELECT run.* FROM run JOIN job ON job.run = run.id WHERE job.stage = 'validate' AND job.state = 'done'"
            " AND (? IS NULL OR run.target = ?) ORDER BY job.id DESC LIMIT 1",
            target,
            target,
        )
        return None if row is None else run_of(row)

    def judged(self, runs: Sequence[int]) -> list[Judged]:
        """Those of the runs that have a verdict, by the order of their verdicts."""
        rows = self._database.rows(
            "SELECT run, result FROM job WHERE stage = 'validate' AND state = 'done'"
            " AND run IN (SELECT value FROM json_each(?)) ORDER BY id",
            msgspec.json.encode(runs).decode(),
        )
        return [_judged(row) for row in rows]

    def newest_dataset(self, target: str) -> str | None:
        """The name of the dataset that the target's last run made, if some run did."""
        row = self._database.row(
            "SELECT json_extract(result, '$.dataset') AS dataset FROM job WHERE stage = 'dataset' AND state = 'done'"
            " AND target = ? AND run IS NOT NULL AND json_extract(result, '$.dataset') IS NOT NULL"
            " ORDER BY id DESC LIMIT 1",
            target,
        )
        return None if row is None else str(row["dataset"])


def _judged(row: sqlite3.Row) -> Judged:
    validation = msgspec.json.decode(row["result"], type=ValidationResult)
    return Judged(run=row["run"], verdict=validation.verdict, asked=validation.judged_by)
