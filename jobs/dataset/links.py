"""Finds the document that a name or a link means, among the documents there are. Never looks at the disk."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from urllib.parse import unquote

from jobs.dataset.markdown import Link
from jobs.domain.corpus import DocumentId

_EXTENSIONS = ("", ".md", "/index.md", "/README.md")


class DocumentNames:
    """All documents by their names. A name that could mean two documents means none."""

    def __init__(self, documents: Iterable[DocumentId]) -> None:
        self._by_place: dict[tuple[str, str], DocumentId] = {}
        self._by_path: dict[str, list[DocumentId]] = {}
        self._by_note: dict[tuple[str, str], list[DocumentId]] = {}
        for document in sorted(documents):
            path = _folded(document.path)
            self._by_place[document.collection, path] = document
            self._by_path.setdefault(path, []).append(document)
            for ending in _endings(path.removesuffix(".md")):
                self._by_note.setdefault((document.collection, ending), []).append(document)

    def named(self, name: str) -> DocumentId | None:
        """The document called ``collection/path``, or ``path`` if only one collection has it."""
        collection, _, path = name.strip().partition("/")
        if found := self._by_place.get((collection, _folded(path))):
            return found
        return _only(self._by_path.get(_folded(name.strip()), []))

    def linked(self, source: DocumentId, link: Link) -> DocumentId | None:
        """Where a link of ``source`` leads, if to another document of the same collection.

        One hop, so links in a circle cannot hurt; a path that climbs out of the collection leads nowhere.
        """
        found = self._wiki(source, link.target) if link.wiki else self._relative(source, link.target)
        return None if found == source else found

    def _wiki(self, source: DocumentId, target: str) -> DocumentId | None:
        name = _folded(target).removesuffix(".md").strip("/")
        candidates = self._by_note.get((source.collection, name), []) if name else []
        folder = _folded(source.path).rpartition("/")[0]
        beside = [document for document in candidates if _folded(document.path).rpartition("/")[0] == folder]
        return _only(beside) or _only(candidates)

    def _relative(self, source: DocumentId, target: str) -> DocumentId | None:
        target = unquote(target)
        if not target or "\0" in target:
            return None
        path = _joined("" if target.startswith("/") else source.path.rpartition("/")[0], target)
        if path is None:
            return None
        places = ((source.collection, _folded(f"{path}{extension}".lstrip("/"))) for extension in _EXTENSIONS)
        return next((self._by_place[place] for place in places if place in self._by_place), None)


def _joined(folder: str, target: str) -> str | None:
    """The path without ``.`` and ``..``; None if it leaves the root."""
    parts = [part for part in folder.split("/") if part]
    for part in target.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _endings(path: str) -> list[str]:
    """``a/b/c``, ``b/c`` and ``c``: what a wiki link may call it."""
    parts = path.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _only(documents: list[DocumentId]) -> DocumentId | None:
    return documents[0] if len(documents) == 1 else None


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()
