"""Takes documents out of a QMD index for good, by SQLite alone: text, full-text terms, vectors, cached answers.

The schema is that of QMD 2.8.3, with the tables in which sqlite-vec 0.1.9 keeps a ``vec0`` table (its
``ARCHITECTURE.md``, "Shadow tables"): ``rowids`` says where a vector lies, ``chunks`` which places of a chunk are
taken (a bit a place, the lowest first) and by which row (8 bytes each), ``vector_chunksNN`` the vectors themselves.
Deleting through the extension clears the bit alone and leaves the vector's bytes; here they are zeroed. Nothing
else than this SQLite is needed, which has no extension to load.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from jobs.adapters.qmd_config import ignoring
from jobs.domain.corpus import DocumentId
from jobs.domain.errors import BadInput, ToolFailed
from jobs.domain.withdrawal import Forgotten, name_key

__all__ = ["contents_of", "forget", "ignoring", "still_holds", "texts_in"]

PATIENCE = 10.0
"""Seconds to wait for another program to let go of an index."""
_BYTES_A_NUMBER = {"float": 4, "int8": 1}
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def forget(
    index: Path, documents: Collection[DocumentId], contents: Collection[str], patience: float = PATIENCE
) -> Forgotten:
    """Removes the documents, by name in any spelling and by content, and every cached answer of a model.

    What goes is overwritten, the file is rewritten without free pages and its log emptied, so that no byte
    stays. May be done again after a crash. Raises ToolFailed while another program holds the index, and
    BadInput if it is no index of this QMD.
    """
    with _writing(index, patience) as database:
        tables = {str(name) for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "documents" not in tables:
            return Forgotten()
        going = _rows_of(database, documents, contents)
        hashes = {text for _, text in going} | _texts_of(database, contents)
        with _transaction(database):
            vectors = _forget_vectors(database, tables, hashes)
            database.executemany("DELETE FROM documents WHERE id = ?", [(row,) for row, _ in going])
            orphaned = [text for text in hashes if not _named(database, text)]
            database.executemany("DELETE FROM content WHERE hash = ?", [(text,) for text in orphaned])
            answers = database.execute("DELETE FROM llm_cache").rowcount if "llm_cache" in tables else 0
        found = Forgotten(documents=len(going), texts=len(orphaned), vectors=vectors, answers=answers)
        _make_bytes_go(database, tables)
        return found


def still_holds(index: Path, documents: Collection[DocumentId], contents: Collection[str]) -> bool:
    """Whether some row of the index is left that has to do with the documents."""
    with _writing(index, PATIENCE) as database:
        tables = {str(name) for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "documents" not in tables:
            return False
        hashes = _texts_of(database, contents)
        left = bool(hashes) or bool(_rows_of(database, documents, contents))
        if "content_vectors" in tables:
            left = left or any(
                database.execute("SELECT 1 FROM content_vectors WHERE hash = ?", (text,)).fetchone()
                for text in contents
            )
        return left


def contents_of(index: Path, documents: Collection[DocumentId]) -> set[str]:
    """The SHA-256s under which the index has these documents, by name in any spelling."""
    with _writing(index, PATIENCE) as database:
        tables = {str(name) for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        return {text for _, text in _rows_of(database, documents, ())} if "documents" in tables else set()


def texts_in(index: Path, contents: Collection[str]) -> dict[str, str]:
    """The texts that the index still has of these contents, by their SHA-256."""
    with _writing(index, PATIENCE) as database:
        tables = {str(name) for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "content" not in tables:
            return {}
        asked = "SELECT hash, doc FROM content WHERE hash = ?"
        rows = (database.execute(asked, (text,)).fetchone() for text in contents)
        return {str(row[0]): str(row[1]) for row in rows if row is not None}


def _rows_of(
    database: sqlite3.Connection, documents: Collection[DocumentId], contents: Collection[str]
) -> list[tuple[int, str]]:
    """(row, hash of its text), by name in any spelling and by text."""
    names, texts = {name_key(document) for document in documents}, set(contents)
    rows = database.execute("SELECT id, collection, path, hash FROM documents").fetchall()
    return [
        (int(row), str(text))
        for row, collection, path, text in rows
        if text in texts or (names and name_key(DocumentId(collection=collection, path=path)) in names)
    ]


def _texts_of(database: sqlite3.Connection, contents: Collection[str]) -> set[str]:
    """Also texts whose last document is gone: QMD keeps them until it cleans up."""
    return {text for text in contents if database.execute("SELECT 1 FROM content WHERE hash = ?", (text,)).fetchone()}


def _named(database: sqlite3.Connection, text: str) -> bool:
    return database.execute("SELECT 1 FROM documents WHERE hash = ?", (text,)).fetchone() is not None


def _forget_vectors(database: sqlite3.Connection, tables: set[str], hashes: Collection[str]) -> int:
    if "content_vectors" in tables:
        database.executemany("DELETE FROM content_vectors WHERE hash = ?", [(text,) for text in hashes])
    if "vectors_vec_rowids" not in tables:
        return 0
    size = _vector_bytes(database)
    found = [
        row
        for text in hashes
        for row in database.execute(
            "SELECT rowid, chunk_id, chunk_offset FROM vectors_vec_rowids WHERE id >= ? AND id < ?",
            (f"{text}_", f"{text}`"),  # "`" follows "_"
        )
    ]
    for row, chunk, offset in found:
        _clear_place(database, chunk, offset, size)
        database.execute("DELETE FROM vectors_vec_rowids WHERE rowid = ?", (row,))
    return len(found)


def _vector_bytes(database: sqlite3.Connection) -> int:
    """Of one vector. Raises BadInput for a table that is laid out in a way that is not known here."""
    sql = database.execute("SELECT sql FROM sqlite_master WHERE name = 'vectors_vec'").fetchone()
    shape = re.search(r"embedding (float|int8)\[(\d+)\]", str(sql[0]) if sql else "")
    columns = [row[1] for row in database.execute("PRAGMA table_info(vectors_vec_chunks)")]
    if shape is None or columns != ["chunk_id", "size", "validity", "rowids"]:
        raise BadInput(
            "a search index keeps its vectors in a way that is not known here",
            remedy="use the QMD that is pinned (`iaipctl doctor`) and withdraw again; this index was not changed",
        )
    return _BYTES_A_NUMBER[shape[1]] * int(shape[2])


def _clear_place(database: sqlite3.Connection, chunk: int, offset: int, size: int) -> None:
    validity, rows = map(
        bytearray,
        database.execute("SELECT validity, rowids FROM vectors_vec_chunks WHERE chunk_id = ?", (chunk,)).fetchone(),
    )
    validity[offset // 8] &= 0xFF ^ (1 << offset % 8)
    rows[offset * 8 : offset * 8 + 8] = bytes(8)
    database.execute(
        "UPDATE vectors_vec_chunks SET validity = ?, rowids = ? WHERE chunk_id = ?",
        (bytes(validity), bytes(rows), chunk),
    )
    where = "FROM vectors_vec_vector_chunks00 WHERE _rowid_ = ?"
    vectors = bytearray(database.execute(f"SELECT vectors {where}", (chunk,)).fetchone()[0])
    vectors[offset * size : (offset + 1) * size] = bytes(size)
    database.execute("UPDATE vectors_vec_vector_chunks00 SET vectors = ? WHERE _rowid_ = ?", (bytes(vectors), chunk))


def _make_bytes_go(database: sqlite3.Connection, tables: set[str]) -> None:
    """Merges the full-text index, whose old segments still have the words; rewrites the file; empties the log."""
    if "documents_fts" in tables:
        database.execute("INSERT INTO documents_fts(documents_fts) VALUES ('optimize')")
    database.execute("VACUUM")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


@contextmanager
def _writing(index: Path, patience: float) -> Iterator[sqlite3.Connection]:
    """A connection of its own, whose errors say what to do."""
    try:
        with closing(sqlite3.connect(index, timeout=patience, isolation_level=None)) as database:
            database.execute("PRAGMA secure_delete = ON")
            yield database
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY:
            raise ToolFailed(
                "a search index is in use by another program", remedy="end the other `qmd`, or wait for it"
            ) from error
        raise BadInput(
            f"a search index cannot be cleaned ({error})",
            remedy="`qmd status` shows whether QMD can read it; a release with a broken index can be taken back",
        ) from error


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
