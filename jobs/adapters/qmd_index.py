"""QMD's index file, looked at without QMD: read-only SQLite, and copies that are consistent while QMD writes.

The schema is that of QMD 2.8.3. Nothing here needs QMD's vector extension.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from msgspec import Struct

from jobs.domain.errors import BadInput, ToolFailed
from jobs.domain.prompts import embedding_document, embedding_query

PATIENCE = 10.0
"""Seconds to wait for another program to let go of an index."""
_PAGES_A_STEP = 2048
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

_PENDING = """
    SELECT count(DISTINCT d.hash) FROM documents d
    LEFT JOIN (
        SELECT hash, count(*) AS present, max(total_chunks) AS expected FROM content_vectors
        WHERE model = ? AND embed_fingerprint = ? GROUP BY hash
    ) v ON v.hash = d.hash
    WHERE d.active = 1 AND (v.hash IS NULL OR v.present < v.expected)
"""


class IndexFacts(Struct, frozen=True, kw_only=True):
    """What an index holds. ``documents`` and ``pending`` count different texts, ``vectors`` passages.

    ``pending``: texts without all their vectors of the model asked for. ``fingerprints``: every model's whose
    vectors are in the index; ``dimensions``: their length, none if there are no vectors.
    """

    documents: int = 0
    pending: int = 0
    vectors: int = 0
    fingerprints: tuple[str, ...] = ()
    dimensions: int | None = None


def embedding_fingerprint(model: str) -> str:
    """QMD's name for a vector space. It covers the model's address and the prompts, not the model's bytes.

    Source: QMD's store module, ``getEmbeddingFingerprint``.
    """
    significant = (
        f"model:{model}",
        f"query:{embedding_query('__qmd_embedding_query_probe__', model)}",
        f"doc:{embedding_document('__qmd_embedding_title_probe__', '__qmd_embedding_document_probe__', model)}",
        "chunk_tokens:900",
        "chunk_overlap_tokens:135",
    )
    return hashlib.sha256("\n".join(significant).encode()).hexdigest()[:6]


def index_facts(index: Path, model: str, patience: float = PATIENCE) -> IndexFacts:
    """What the index holds for ``model``; nothing if there is no index.

    Raises ToolFailed if it stays locked, BadInput if it is no index of this QMD.
    """
    if not index.exists():
        return IndexFacts()
    with _reading(index, patience) as database:
        tables = {str(name): str(sql) for name, sql in database.execute("SELECT name, sql FROM sqlite_master")}
        if "documents" not in tables:
            return IndexFacts()
        documents = _number(database, "SELECT count(DISTINCT hash) FROM documents WHERE active = 1")
        if "embed_fingerprint" not in tables.get("content_vectors", ""):
            return IndexFacts(documents=documents, pending=documents)
        length = re.search(r"float\[(\d+)\]", tables.get("vectors_vec", ""))
        fingerprints = database.execute("SELECT DISTINCT embed_fingerprint FROM content_vectors ORDER BY 1")
        return IndexFacts(
            documents=documents,
            pending=_number(database, _PENDING, model, embedding_fingerprint(model)),
            vectors=_number(database, "SELECT count(*) FROM content_vectors"),
            fingerprints=tuple(str(row[0]) for row in fingerprints),
            dimensions=int(length[1]) if length else None,
        )


def copy_index(source: Path, target: Path, patience: float = PATIENCE) -> None:
    """A consistent copy by SQLite's backup interface, also while QMD writes. No source, no copy.

    Raises ToolFailed, and leaves no target, if the source stays locked longer than ``patience`` seconds.
    """
    if not source.exists():
        return
    try:
        with _reading(source, patience) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new, pages=_PAGES_A_STEP, progress=_Impatience(source, patience), sleep=0.05)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


class _Impatience:
    """Ends a backup that makes no progress: SQLite's own would wait for a lock for ever."""

    def __init__(self, source: Path, patience: float) -> None:
        self._source = source
        self._patience = patience
        self._deadline = time.monotonic() + patience

    def __call__(self, status: int, remaining: int, total: int) -> None:
        if status not in _BUSY:
            self._deadline = time.monotonic() + self._patience
        elif time.monotonic() > self._deadline:
            raise _locked(self._source)


@contextmanager
def _reading(index: Path, patience: float) -> Iterator[sqlite3.Connection]:
    """A read-only connection whose errors name the index and what to do."""
    try:
        address = f"{index.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=patience)) as database:
            yield database
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise _locked(index) from error
        raise BadInput(
            f"{index} is not a usable QMD index ({error})",
            remedy="`qmd status` shows whether QMD can read it; `qmd update` and `qmd embed` make a new one",
        ) from error


def _locked(index: Path) -> ToolFailed:
    return ToolFailed(
        f"{index} is locked by another program",
        remedy="end the other `qmd` that uses it (or wait for it) and try again",
    )


def _number(database: sqlite3.Connection, query: str, *values: str) -> int:
    return int(database.execute(query, values).fetchone()[0])
