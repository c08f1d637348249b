"""An index as QMD 2.8.3 and sqlite-vec lay it out, written without them, every text with one vector."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

_SCHEMA = """
CREATE TABLE content (hash TEXT PRIMARY KEY, doc TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE documents (id INTEGER PRIMARY KEY AUTOINCREMENT, collection TEXT NOT NULL, path TEXT NOT NULL,
  title TEXT NOT NULL, hash TEXT NOT NULL, created_at TEXT NOT NULL, modified_at TEXT NOT NULL,
  active INTEGER NOT NULL DEFAULT 1, UNIQUE(collection, path));
CREATE TABLE llm_cache (hash TEXT PRIMARY KEY, result TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE content_vectors (hash TEXT NOT NULL, seq INTEGER NOT NULL DEFAULT 0, pos INTEGER NOT NULL DEFAULT 0,
  model TEXT NOT NULL, embed_fingerprint TEXT NOT NULL DEFAULT '', total_chunks INTEGER NOT NULL DEFAULT 1,
  embedded_at TEXT NOT NULL, PRIMARY KEY (hash, seq));
CREATE VIRTUAL TABLE documents_fts USING fts5(filepath, title, body, tokenize='porter unicode61');
CREATE TRIGGER documents_ai AFTER INSERT ON documents WHEN new.active = 1 BEGIN
  INSERT INTO documents_fts(rowid, filepath, title, body) SELECT new.id, new.collection || '/' || new.path, new.title,
    (SELECT doc FROM content WHERE hash = new.hash) WHERE new.active = 1; END;
CREATE TRIGGER documents_ad AFTER DELETE ON documents BEGIN DELETE FROM documents_fts WHERE rowid = old.id; END;
CREATE TABLE "vectors_vec_chunks"(chunk_id INTEGER PRIMARY KEY AUTOINCREMENT,size INTEGER NOT NULL,
  validity BLOB NOT NULL,rowids BLOB NOT NULL);
CREATE TABLE "vectors_vec_rowids"(rowid INTEGER PRIMARY KEY AUTOINCREMENT,id TEXT UNIQUE NOT NULL,chunk_id INTEGER,
  chunk_offset INTEGER);
CREATE TABLE "vectors_vec_vector_chunks00"(rowid PRIMARY KEY,vectors BLOB NOT NULL);
PRAGMA writable_schema = ON;
INSERT INTO sqlite_master VALUES ('table', 'vectors_vec', 'vectors_vec', 0,
  'CREATE VIRTUAL TABLE vectors_vec USING vec0(hash_seq TEXT PRIMARY KEY, embedding float[4] distance_metric=cosine)');
PRAGMA writable_schema = OFF;
"""


def write_index(path: Path, notes: Path) -> None:
    """The index of a folder, in place of the one there."""
    path.unlink(missing_ok=True)
    files = sorted(notes.rglob("*.md"))
    with closing(sqlite3.connect(path)) as index:
        index.executescript(_SCHEMA)
        places = max(8, -(-len(files) // 8) * 8)
        validity, rows, vectors = bytearray(places // 8), bytearray(places * 8), bytearray(places * 16)
        for number, file in enumerate(files):
            text = file.read_text("utf-8")
            digest = sha256(text.encode()).hexdigest()
            index.execute("INSERT OR IGNORE INTO content VALUES (?, ?, '')", (digest, text))
            index.execute(
                "INSERT INTO documents (collection, path, title, hash, created_at, modified_at)"
                " VALUES ('notes', ?, ?, ?, '', '')",
                (file.relative_to(notes).as_posix(), text.splitlines()[0], digest),
            )
            index.execute("INSERT OR IGNORE INTO content_vectors VALUES (?, 0, 0, 'm', 'f', 1, '')", (digest,))
            index.execute(
                "INSERT OR IGNORE INTO vectors_vec_rowids VALUES (?, ?, 1, ?)", (number, f"{digest}_0", number)
            )
            validity[number // 8] |= 1 << number % 8
            rows[number * 8 : number * 8 + 8] = number.to_bytes(8, "little")
            vectors[number * 16 : number * 16 + 16] = vector_of(text)
        index.execute("INSERT INTO vectors_vec_chunks VALUES (1, ?, ?, ?)", (places, bytes(validity), bytes(rows)))
        index.execute("INSERT INTO vectors_vec_vector_chunks00 VALUES (1, ?)", (bytes(vectors),))
        index.execute("INSERT INTO llm_cache VALUES ('h', 'hyde: the marten carried the ember', '')")
        index.commit()
        index.execute("PRAGMA journal_mode = WAL")


def vector_of(text: str) -> bytes:
    return sha256(b"vector" + text.encode()).digest()[:16]
