"""Collections, documents and passages."""

from __future__ import annotations

import hashlib

from msgspec import Struct

CURATED = "curated"
"""The collection in whose name curated rows are traced; their document's path names the file and the text."""


class Collection(Struct, frozen=True, kw_only=True):
    """One of QMD's collections: a folder, a glob pattern (comma-separated alternatives) and ignores."""

    name: str
    path: str
    pattern: str = "**/*.md"
    ignore: tuple[str, ...] = ()


class DocumentId(Struct, frozen=True, kw_only=True, order=True):
    """A document by collection and by its path inside it, with ``/`` between folders."""

    collection: str
    path: str

    def __str__(self) -> str:
        return f"{self.collection}/{self.path}"


class Document(Struct, frozen=True, kw_only=True):
    """A document's text as read. ``sha256`` is the hex digest of its bytes."""

    id: DocumentId
    sha256: str
    text: str


class Passage(Struct, frozen=True, kw_only=True):
    """A chunk of a document as QMD cuts it: ``text == document.text[start:start + len(text)]``."""

    start: int
    text: str


def text_digest(text: str) -> str:
    """The SHA-256 of the text's bytes: of a document, that of its file."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def digest(*parts: str) -> str:
    """A short, stable name for a set of inputs: 16 hex digits of SHA-256 over the parts, in order."""
    joined = hashlib.sha256()
    for part in parts:
        joined.update(len(part).to_bytes(8, "big"))
        joined.update(part.encode("utf-8", "surrogatepass"))
    return joined.hexdigest()[:16]
