"""What is known of the knowledge base, and small facts: both survive restarts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from daemon.ledger.database import Database
from jobs.domain.corpus import DocumentId
from jobs.domain.scan import Known, Seen

Value = TypeVar("Value")


class Knowledge:
    def __init__(self, database: Database) -> None:
        self._database = database

    def documents(self) -> dict[DocumentId, Known]:
        return {
            DocumentId(collection=row["collection"], path=row["path"]): Known(
                size=row["size"], mtime_ns=row["mtime_ns"], inode=row["inode"], sha256=row["sha256"]
            )
            for row in self._database.rows("SELECT * FROM document ORDER BY collection, path")
        }

    def texts(self) -> tuple[tuple[str, str, str], ...]:
        """(collection, path, SHA-256) of every document, for a job."""
        rows = self._database.rows("SELECT collection, path, sha256 FROM document ORDER BY collection, path")
        return tuple(map(tuple, rows))

    def apply(self, changed: Sequence[Seen], removed: Sequence[DocumentId]) -> None:
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (s.id.collection, s.id.path, s.known.size, s.known.mtime_ns, s.known.inode, s.known.sha256)
                    for s in changed
                ],
            )
            connection.executemany(
                "DELETE FROM document WHERE collection = ? AND path = ?", [(d.collection, d.path) for d in removed]
            )

    def count(self) -> int:
        row = self._database.row("SELECT count(*) AS n FROM document")
        assert row is not None
        return int(row["n"])

    def fact(self, key: str) -> str | None:
        row = self._database.row("SELECT value FROM fact WHERE key = ?", key)
        return None if row is None else str(row["value"])

    def set_fact(self, key: str, value: str) -> None:
        with self._database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (key, value))

    def value(self, key: str, kind: type[Value]) -> Value | None:
        """The fact as ``set_value`` stored it; none if there is none or an earlier version wrote it otherwise."""
        found = self.fact(key)
        try:
            return None if found is None else msgspec.json.decode(found, type=kind)
        except msgspec.ValidationError:
            return None

    def set_value(self, key: str, value: object) -> None:
        self.set_fact(key, msgspec.json.encode(value).decode())

    def moment(self, key: str) -> datetime | None:
        value = self.fact(key)
        return None if value is None else datetime.fromisoformat(value)
