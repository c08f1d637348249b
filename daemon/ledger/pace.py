"""What the governor decided and on which readings: every change, and a thinned history between. Bounded."""

from __future__ import annotations

import sqlite3
from datetime import datetime

import msgspec
from msgspec import Struct

from daemon.ledger.database import Database
from daemon.readings import Readings

MOST_ROWS = 2000


class PaceRecord(Struct, frozen=True, kw_only=True):
    """One decision. ``action`` is an order's kind, ``since`` when it and its causes began."""

    at: datetime
    since: datetime
    action: str
    rest: float
    reason: str
    readings: Readings


class PaceHistory:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: PaceRecord) -> None:
        """Also forgets all but the newest MOST_ROWS."""
        with self._database.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO pace (at, since, action, rest, reason, readings) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    record.at.isoformat(),
                    record.since.isoformat(),
                    record.action,
                    record.rest,
                    record.reason,
                    msgspec.json.encode(record.readings).decode(),
                ),
            )
            assert cursor.lastrowid is not None
            connection.execute("DELETE FROM pace WHERE id <= ?", (cursor.lastrowid - MOST_ROWS,))

    def latest(self) -> PaceRecord | None:
        row = self._database.row("SELECT * FROM pace ORDER BY id DESC LIMIT 1")
        return None if row is None else _record(row)

    def between(self, start: datetime, end: datetime) -> list[PaceRecord]:
        """What was noted between two moments, oldest first, and the last before them."""
        rows = self._database.rows(
            "SELECT * FROM pace WHERE at <= ?1 AND id >= coalesce((SELECT max(id) FROM pace WHERE at < ?2), 0)"
            " ORDER BY id",
            end.isoformat(),
            start.isoformat(),
        )
        return [_record(row) for row in rows]

    def changes(self, start: datetime, end: datetime) -> list[PaceRecord]:
        """The decisions that were in force between two moments, oldest first: one for each change."""
        rows = self._database.rows("SELECT * FROM pace WHERE at <= ? ORDER BY id", end.isoformat())
        changed = [record for record in map(_record, rows) if record.at == record.since]
        earlier = [record for record in changed if record.at < start]
        return [*earlier[-1:], *(record for record in changed if record.at >= start)]


def _record(row: sqlite3.Row) -> PaceRecord:
    values = dict(row)
    readings = msgspec.json.decode(values.pop("readings"), type=Readings)
    return msgspec.convert({**values, "readings": readings}, PaceRecord, strict=False)
