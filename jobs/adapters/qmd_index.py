"""QMD's index file, looked at without QMD by read-only SQLite.

The schema is that of QMD 2.8.3. Nothing here needs QMD's vector extension.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from pathlib import Path

from msgspec import Struct

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


def _number(database: sqlite3.Connection, query: str, *values: str) -> int:
    return int(database.execute(query, values).fetchone()[0])
