"""Opens the ledger: WAL, every commit synced, one transaction at a time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.ledger.schema import MIGRATIONS
from jobs.domain.errors import BadInput


class Database:
    """One connection shared by the threads of a process; every use holds the lock.

    ``path`` is created with mode 0600 and migrated forward. Raises BadInput for a ledger that is
    corrupt or was written by a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        self._connection = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        try:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "fullfsync=1", "foreign_keys=1"):
                self._connection.execute(f"PRAGMA {pragma}")
            self._migrate()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise BadInput(
                f"the ledger {path} cannot be read ({error})",
                remedy="move it away and start again: releases and their rollback are on disk and still work",
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; a transaction inside another is part of it."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, sql: str, *parameters: object) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, *parameters: object) -> sqlite3.Row | None:
        found = self.rows(sql, *parameters)
        return found[0] if found else None

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _migrate(self) -> None:
        with self.transaction() as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                raise BadInput(
                    f"the ledger {self.path} was written by a newer version (schema {version}, this one knows"
                    f" {len(MIGRATIONS)})",
                    remedy="upgrade this program; nothing was changed",
                )
            for number, migration in enumerate(MIGRATIONS[version:], start=version + 1):
                for statement in _statements(migration):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={number}")


def _statements(script: str) -> Iterator[str]:
    """Single statements, because executescript would commit the transaction it runs in."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
