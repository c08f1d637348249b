"""The notes on disk, as QMD would index them: a scan that is cheap when little changed, and reading one note.

What QMD would index but nobody can train on (too large, binary, not UTF-8) is passed over and counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from jobs.adapters.folder_walk import document_path, folded, is_inside, is_still_there, lists, on_disk, walk
from jobs.adapters.note_file import examine, read_content
from jobs.domain.corpus import Collection, Document, DocumentId
from jobs.domain.errors import BadInput
from jobs.domain.scan import Known, PassedOver, Reason, Root, Scan, Seen

_WORDS: Mapping[Reason, str] = {
    "unreadable": "is gone or may not be read",
    "too-large": "is larger than watch.largest_document",
    "binary": "is not text",
    "not-utf-8": "is not UTF-8",
    "empty": "is empty",
    "outside": "lies outside its collection's folder, or behind a link",
    "link": "is a link",
    "not-downloaded": "has not been downloaded to this machine",
    "name": "has a name that is not UTF-8",
    "same-name": "has the name of another file, in another Unicode form",
    "being-written": "is being written",
}


def scan(collections: Iterable[Collection], known: Mapping[DocumentId, Known], *, largest: int, now_ns: int) -> Scan:
    """Looks at every file; reads only what differs from ``known`` in size, modification time or inode.

    ``largest`` is in bytes, ``now_ns`` is the time of day. Never raises for a bad file.
    """
    looks = [_Look(collection, known, largest, now_ns) for collection in collections]
    for look in looks:
        look.at_everything()
    seen = {document.id for look in looks for document in look.documents}
    seen |= {file.id for look in looks for file in look.passed_over}
    of = {look.collection.name: look for look in looks}
    for document in known:
        if document not in seen and document.collection in of:
            of[document.collection].after(document)
    return Scan(
        documents=tuple(document for look in looks for document in look.documents),
        passed_over=tuple(file for look in looks for file in look.passed_over),
        unreadable_folders=tuple(folder for look in looks for folder in look.unreadable),
        roots=tuple(root for look in looks if look.root is not None for root in (look.root, *look.volumes)),
        unlisted=tuple(document for look in looks for document in look.unlisted),
    )


class MarkdownFolders:
    """The Corpus port over the collections of a QMD configuration."""

    def __init__(self, collections: Sequence[Collection], largest: int) -> None:
        self._collections = tuple(collections)
        self._largest = largest

    def collections(self) -> Sequence[Collection]:
        return self._collections

    def read(self, document: DocumentId) -> Document:
        collection = next((c for c in self._collections if c.name == document.collection), None)
        if collection is None:
            raise BadInput(
                f"there is no collection {document.collection}",
                remedy="`qmd collection list` shows what there is; `iaipctl run` starts again from today's notes",
            )
        path = Path(on_disk(collection.path, document.path))
        content = read_content(path, self._largest) if is_inside(Path(collection.path), path) else "outside"
        if not isinstance(content, bytes):
            raise BadInput(f"{document} {_WORDS[content]}", remedy="mend or remove the file; the others are used")
        return Document(id=document, sha256=hashlib.sha256(content).hexdigest(), text=content.decode("utf-8"))


class _Look:
    """One scan of one collection."""

    def __init__(self, collection: Collection, known: Mapping[DocumentId, Known], largest: int, now_ns: int) -> None:
        self.collection = collection
        self.documents: list[Seen] = []
        self.passed_over: list[PassedOver] = []
        self.unreadable: list[DocumentId] = []
        self.unlisted: list[DocumentId] = []
        self.root: Root | None = None
        self.volumes: list[Root] = []
        self._known = known
        self._largest = largest
        self._now_ns = now_ns

    def at_everything(self) -> None:
        """What went away or was replaced meanwhile counts as unreadable."""
        before = _root(self.collection)
        for document, found in self._files():
            if isinstance(found, Known):
                self.documents.append(Seen(id=document, known=found))
            else:
                self.passed_over.append(PassedOver(id=document, reason=found))
        if self._named("") in self.unreadable:
            return
        if before is not None and _root(self.collection) == before:
            self.root = before
        else:
            self.unreadable.append(self._named(""))
        for volume in self.volumes:
            if _root(self.collection, volume.path) != volume:
                self.unreadable.append(self._named(volume.path))

    def after(self, document: DocumentId) -> None:
        """What became of a known document that was not found."""
        if not lists(self.collection, document.path):
            self.unlisted.append(document)
        elif folded(document.path) not in self._folded and is_still_there(self.collection.path, document.path):
            self.passed_over.append(PassedOver(id=document, reason="being-written"))  # an editor was replacing it

    @cached_property
    def _folded(self) -> set[str]:
        """Paths that were found: a note renamed from A.md to a.md is still found at A.md where cases are one."""
        found = [document.id for document in self.documents] + [file.id for file in self.passed_over]
        return {folded(document.path) for document in found}

    def _files(self) -> Iterator[tuple[DocumentId, Known | Reason]]:
        spelled: set[str] = set()
        for entry in walk(self.collection):
            path = document_path(entry.path)
            document = self._named(path)
            if entry.kind == "folder":
                self.unreadable.append(document)
            elif entry.kind == "volume":
                volume = _root(self.collection, path)
                self.volumes += [volume] if volume is not None else []
            elif path in spelled:
                yield self._named(entry.path), "same-name"
            else:
                if not path.isascii():
                    spelled.add(path)
                place = f"{self.collection.path}/{entry.path}"
                found = entry.kind if entry.kind != "file" else None
                yield document, found or examine(place, self._known.get(document), self._largest, self._now_ns)

    def _named(self, path: str) -> DocumentId:
        return DocumentId(collection=self.collection.name, path=path)


def _root(collection: Collection, path: str = "") -> Root | None:
    """Which folder it is now, the collection's own or one below it; none if there is none."""
    try:
        status = Path(on_disk(collection.path, path) if path else collection.path).stat()
    except OSError:
        return None
    return Root(collection=collection.name, device=status.st_dev, inode=status.st_ino, path=path)
