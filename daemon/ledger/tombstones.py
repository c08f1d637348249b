"""Names and texts of withdrawn material out of the ledger, with every figure kept, and no byte of them left."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

from daemon.ledger.database import Database
from jobs.domain.corpus import DocumentId
from jobs.domain.errors import ToolFailed
from jobs.domain.withdrawal import query_texts, redacted, tombstoned

_JSON = (
    ("job", ("id",), "result"),
    ("event", ("id",), "data"),
    ("answer", ("run", "arm", "query_set", "query"), "documents"),
    ("request", ("id",), "argument"),
    ("request", ("id",), "answer"),
)
_WORDS = (
    ("job", ("id",), "error"),
    ("job", ("id",), "phase"),
    ("run", ("id",), "reason"),
    ("alert", ("id",), "title"),
    ("alert", ("id",), "body"),
)


def words_of(database: Database, documents: Collection[DocumentId]) -> frozenset[str]:
    """The documents' names, and the texts of all queries in the ledger that they answer."""
    names = frozenset(map(str, documents))
    results = (msgspec.json.decode(row["result"]) for row in database.rows("SELECT result FROM job WHERE result > ''"))
    return names | {text for result in results for text in query_texts(result, names)}


def entomb(database: Database, words: AbstractSet[str], documents: Collection[DocumentId]) -> int:
    """Returns how many entries changed. The file is rewritten; raises ToolFailed if a reader keeps it from that.

    A document that is still watched is entered again by the next scan.
    """
    database.rows("PRAGMA secure_delete = ON")
    changed = 0
    with database.transaction() as connection:
        for table, key, column in (*_JSON, *_WORDS):
            where = " AND ".join(f"{name} = ?" for name in key)
            change = f"UPDATE {table} SET {column} = ? WHERE {where}"  # noqa: S608 - the names above
            updates = list(_updates(database, table, key, column, words))
            connection.executemany(change, updates)
            changed += len(updates)
        connection.executemany(
            "DELETE FROM document WHERE collection = ? AND path = ?",
            [(document.collection, document.path) for document in documents],
        )
    database.rows("VACUUM")
    [done] = database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    if done[0]:
        raise ToolFailed("somebody reads the ledger at length", remedy="end other `iaipctl` commands")
    return changed


def _updates(
    database: Database, table: str, key: tuple[str, ...], column: str, words: AbstractSet[str]
) -> Iterator[tuple[Any, ...]]:
    chosen = f"SELECT {', '.join(key)}, {column} AS told FROM {table} WHERE {column} > ''"  # noqa: S608 - constants
    for row in database.rows(chosen):
        before: str = row["told"]
        if (table, key, column) in _JSON:
            value = msgspec.json.decode(before)
            same = (after_value := tombstoned(value, words)) == value
            after = before if same else msgspec.json.encode(after_value).decode()
        else:
            after = redacted(before, words)
        if after != before:
            yield (after, *(row[name] for name in key))
