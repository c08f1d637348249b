"""QMD's index file, looked at without QMD by read-only SQLite.

The schema is that of QMD 2.8.3. Nothing here needs QMD's vector extension.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from unicodedata import normalize

from msgspec import Struct

from jobs.domain.corpus import DocumentId
from jobs.domain.prompts import embedding_document, embedding_query
from jobs.index_file import PATIENCE, reading

_PENDING = """
    SELECT count(DISTINCT d.hash) FROM documents d
    LEFT JOIN (
        SELECT hash, count(*) AS present, max(total_chunks) AS expected FROM content_vectors
        WHERE model = ? AND embed_fingerprint = ? GROUP BY hash
    ) v ON v.hash = d.hash
    WHERE d.active = 1 AND (v.hash IS NULL OR v.present < v.expected)
"""

_ACTIVE = "FROM documents WHERE active = 1"
_ROWS = f"SELECT id, hash {_ACTIVE} AND"


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
    with reading(index, patience) as database:
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


class IndexRows(Struct, frozen=True, kw_only=True):
    """How many of its documents and vectors an index has of something."""

    documents: int = 0
    vectors: int = 0


class IndexTotals(Struct, frozen=True, kw_only=True):
    """All that an index has. ``answers`` are a model's, cached under a digest: none leads back to a note."""

    documents: int = 0
    vectors: int = 0
    answers: int = 0


def index_rows(
    index: Path, documents: Iterable[DocumentId], texts: Iterable[str], patience: float = PATIENCE
) -> IndexRows:
    """What the index has of these documents, by exact name in any Unicode form, and of these texts, by SHA-256.

    Nothing if there is no index. Raises ToolFailed if it stays locked, BadInput if it is no index of this QMD.
    """
    if not index.exists():
        return IndexRows()
    with reading(index, patience) as database:
        tables = _tables(database)
        if "documents" not in tables:
            return IndexRows()
        rows = {row for document in documents for row in _rows(database, document)}
        hashes = {text for _, text in rows} | set(texts)
        rows |= {row for text in hashes for row in database.execute(f"{_ROWS} hash = ?", (text,))}
        if "content_vectors" not in tables:
            return IndexRows(documents=len(rows))
        count = "SELECT count(*) FROM content_vectors WHERE hash = ?"
        return IndexRows(documents=len(rows), vectors=sum(_number(database, count, text) for text in hashes))


def index_totals(index: Path, patience: float = PATIENCE) -> IndexTotals:
    """Nothing if there is no index; raises as ``index_rows`` does."""
    if not index.exists():
        return IndexTotals()
    with reading(index, patience) as database:
        tables = _tables(database)
        return IndexTotals(
            documents=_number(database, f"SELECT count(*) {_ACTIVE}") if "documents" in tables else 0,
            vectors=_number(database, "SELECT count(*) FROM content_vectors") if "content_vectors" in tables else 0,
            answers=_number(database, "SELECT count(*) FROM llm_cache") if "llm_cache" in tables else 0,
        )


def _tables(database: sqlite3.Connection) -> set[str]:
    return {str(name) for (name,) in database.execute("SELECT name FROM sqlite_master")}


def _rows(database: sqlite3.Connection, document: DocumentId) -> Iterator[tuple[int, str]]:
    """(row, hash of its text)."""
    for path in {document.path, normalize("NFC", document.path), normalize("NFD", document.path)}:
        yield from database.execute(f"{_ROWS} collection = ? AND path = ?", (document.collection, path))


def _number(database: sqlite3.Connection, query: str, *values: str) -> int:
    return int(database.execute(query, values).fetchone()[0])
