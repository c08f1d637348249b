"""The receipts of confinement, each an event of its job."""

from __future__ import annotations

from datetime import datetime

import msgspec

from daemon.ledger.database import Database
from jobs.domain.confinement import Receipt

KIND = "confinement"
_NEWEST = "SELECT job, data FROM event WHERE kind = 'confinement' ORDER BY id DESC LIMIT 1"
"""With the word written out, as in the index of receipts: else SQLite looks through a million steps for it."""


class Receipts:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, job: int, receipt: Receipt, now: datetime) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO event (job, at, kind, data) VALUES (?, ?, ?, ?)",
                (job, now.isoformat(), KIND, msgspec.json.encode(receipt).decode()),
            )

    def latest(self) -> tuple[int, Receipt] | None:
        """The job that was started last, and its receipt."""
        row = self._database.row(_NEWEST)
        return None if row is None else (row["job"], read_receipt(row["data"]))

    def refused(self, run: int) -> bool:
        """Whether the job of this run that was started last could not be confined."""
        row = self._database.row(
            "SELECT data FROM event JOIN job ON job.id = event.job WHERE event.kind = ? AND job.run = ?"
            " ORDER BY event.id DESC LIMIT 1",
            KIND,
            run,
        )
        return row is not None and not read_receipt(row["data"]).holds()


def read_receipt(data: str) -> Receipt:
    return msgspec.json.decode(data, type=Receipt)
