"""Remembers each document's material, so that one changed note is one note's work.

One SQLite file that may be deleted at any time. A row's material is good for one (sha256, reading), its ruling for
one consent revision and day; a refresh is one transaction. Material that stands on consents is sealed under their keys.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

from jobs.dataset.material import Material
from jobs.domain.consent import NoteSaid, Ruling
from jobs.domain.corpus import DocumentId
from jobs.domain.errors import BadInput
from jobs.domain.sealing import consents_of
from jobs.domain.withdrawal import Holding
from jobs.keys import KeyDestroyed, Keys
from jobs.sealing import Sealing

_SCHEMA = """
DROP TABLE IF EXISTS document;
DROP TABLE IF EXISTS note;
CREATE TABLE IF NOT EXISTS sealed_note (
    collection TEXT NOT NULL, path TEXT NOT NULL, sha256 TEXT NOT NULL, reading TEXT NOT NULL, said BLOB NOT NULL,
    decided TEXT NOT NULL, ruling BLOB NOT NULL, refused TEXT NOT NULL, keys TEXT NOT NULL,
    pairs INTEGER NOT NULL, expansions INTEGER NOT NULL, material BLOB,
    PRIMARY KEY (collection, path)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS curated (file TEXT PRIMARY KEY, sha256 TEXT NOT NULL, rows INTEGER NOT NULL) WITHOUT ROWID;
"""
_BUSY_SECONDS = 30.0

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Material)
_said_decoder = msgspec.msgpack.Decoder(NoteSaid)
_ruling_decoder = msgspec.msgpack.Decoder(Ruling)


class Remembered(Struct, frozen=True, kw_only=True):
    """What a document's row is good for. ``refused`` is why it may not be used for anything, empty if it may.

    ``reading`` names how its text was read, ``decided`` the consent revision and day of its ruling. ``readable`` is
    false for material that is sealed under a key that is gone.
    """

    sha256: str
    reading: str
    decided: str
    refused: str
    readable: bool = True


class CuratedFile(Struct, frozen=True, kw_only=True):
    sha256: str
    rows: int


class Cached(Struct, frozen=True, kw_only=True):
    id: DocumentId
    sha256: str
    said: NoteSaid
    ruling: Ruling
    material: Material


class ExamplesCache:
    """An open cache. Made by ``opened``."""

    def __init__(self, connection: sqlite3.Connection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys
        self._sealing = Sealing(keys)
        self._ids: dict[tuple[str, ...], tuple[str, ...]] = {(): ()}

    def known(self) -> dict[DocumentId, Remembered]:
        rows = self._connection.execute(
            "SELECT collection, path, sha256, reading, decided, refused, iif(material IS NULL, '', keys)"
            " FROM sealed_note"
        )
        readable = cache(lambda keys: self._keys.has(keys.split()))
        return {
            DocumentId(collection=collection, path=path): Remembered(
                sha256=sha256,
                reading=reading,
                decided=decided,
                refused=refused,
                readable=readable(keys),
            )
            for collection, path, sha256, reading, decided, refused, keys in rows
        }

    def texts(self) -> dict[DocumentId, str]:
        """The SHA-256 of every document's text, as it was read last."""
        rows = self._connection.execute("SELECT collection, path, sha256 FROM sealed_note")
        return {DocumentId(collection=collection, path=path): sha256 for collection, path, sha256 in rows}

    def refusals(self) -> dict[str, int]:
        """Why documents were refused, and how many for that; the most frequent reason first."""
        rows = self._connection.execute(
            "SELECT refused, count(*) FROM sealed_note WHERE refused != '' GROUP BY refused ORDER BY 2 DESC, 1"
        )
        return dict(rows.fetchall())

    def said(self) -> dict[DocumentId, NoteSaid]:
        """What every note says of itself."""
        rows = self._connection.execute("SELECT collection, path, said FROM sealed_note")
        return {
            DocumentId(collection=collection, path=path): _said_decoder.decode(said) for collection, path, said in rows
        }

    def put_ruling(self, document: DocumentId, decided: str, ruling: Ruling, *, refused: str) -> bool:
        """Another ruling on the same text. A refusal takes the material with it; so does one that is sealed otherwise.

        Returns whether its material stays.
        """
        [(keys, made)] = self._connection.execute(
            "SELECT keys, material IS NOT NULL FROM sealed_note WHERE collection = ? AND path = ?",
            (document.collection, document.path),
        )
        kept = bool(made) and not refused and " ".join(self._ids_for(ruling)) == keys
        self._connection.execute(
            "UPDATE sealed_note SET decided = ?, ruling = ?, refused = ?, pairs = iif(?, pairs, 0),"
            " expansions = iif(?, expansions, 0), material = iif(?, material, NULL) WHERE collection = ? AND path = ?",
            (decided, _encoder.encode(ruling), refused, *[kept] * 3, document.collection, document.path),
        )
        return kept

    def material(self, document: DocumentId) -> Material | None:
        """None for a document that is not here, was refused, or whose material nobody can read any more."""
        row = self._connection.execute(
            "SELECT material FROM sealed_note WHERE collection = ? AND path = ?", (document.collection, document.path)
        ).fetchone()
        try:
            return _decoder.decode(self._sealing.opened(row[0])) if row and row[0] is not None else None
        except (BadInput, KeyDestroyed):
            return None

    def put(
        self,
        document: DocumentId,
        remembered: Remembered,
        said: NoteSaid,
        ruling: Ruling,
        material: Material | None,
    ) -> None:
        ids = self._ids_for(ruling) if material else ()
        self._connection.execute(
            "INSERT OR REPLACE INTO sealed_note VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                document.collection,
                document.path,
                remembered.sha256,
                remembered.reading,
                _encoder.encode(said),
                remembered.decided,
                _encoder.encode(ruling),
                remembered.refused,
                " ".join(ids),
                len(material.candidates) if material else 0,
                len(material.drafts) if material else 0,
                self._sealing.sealed(_encoder.encode(material), ids) if material else None,
            ),
        )

    def remove(self, document: DocumentId) -> None:
        self._connection.execute(
            "DELETE FROM sealed_note WHERE collection = ? AND path = ?", (document.collection, document.path)
        )

    def holdings(self) -> Iterator[Holding]:
        """Every document that is here, refused ones too."""
        for collection, path, sha256, ruling in self._connection.execute(
            "SELECT collection, path, sha256, ruling FROM sealed_note"
        ):
            consents = _ruling_decoder.decode(ruling).consents
            yield Holding(id=DocumentId(collection=collection, path=path), sha256=sha256, consents=consents)

    def _ids_for(self, ruling: Ruling) -> tuple[str, ...]:
        consents = consents_of([(ruling.classification, ruling.consents)])
        if consents not in self._ids:
            self._ids[consents] = self._keys.ids(consents)
        return self._ids[consents]

    def totals(self) -> tuple[int, int]:
        """(candidate pairs, candidate expansions) of all documents, before common queries are dropped."""
        pairs, expansions = self._connection.execute(
            "SELECT coalesce(sum(pairs), 0), coalesce(sum(expansions), 0) FROM sealed_note"
        ).fetchone()
        return pairs, expansions

    def everything(self) -> Iterator[Cached]:
        """All permitted documents, by id."""
        rows = self._connection.execute(
            "SELECT collection, path, sha256, said, ruling, material FROM sealed_note"
            " WHERE material IS NOT NULL ORDER BY 1, 2"
        )
        for collection, path, sha256, said, ruling, material in rows:
            yield Cached(
                id=DocumentId(collection=collection, path=path),
                sha256=sha256,
                said=_said_decoder.decode(said),
                ruling=_ruling_decoder.decode(ruling),
                material=_decoder.decode(self._sealing.opened(material)),
            )

    def curated(self) -> dict[str, CuratedFile]:
        rows = self._connection.execute("SELECT file, sha256, rows FROM curated")
        return {file: CuratedFile(sha256=sha256, rows=count) for file, sha256, count in rows}

    def put_curated(self, file: str, known: CuratedFile) -> None:
        self._connection.execute("INSERT OR REPLACE INTO curated VALUES (?, ?, ?)", (file, known.sha256, known.rows))


def compacted(path: Path) -> None:
    """Rewrites the cache without free pages: what was removed leaves no bytes. Nothing if there is none."""
    if path.exists():
        connection = _connected(path)
        try:
            connection.execute("VACUUM")
        finally:
            connection.close()


@contextmanager
def opened(path: Path, keys: Keys) -> Iterator[ExamplesCache]:
    """One transaction: committed on a clean exit, undone on an exception. A file that is no cache is made anew."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = _connected(path)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield ExamplesCache(connection, keys)
        connection.execute("COMMIT")
    finally:
        connection.close()


def _connected(path: Path) -> sqlite3.Connection:
    try:
        return _prepared(path)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        path.unlink()
        return _prepared(path)


def _prepared(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA secure_delete = ON")
        connection.executescript(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection
