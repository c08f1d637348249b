"""What a look at the notes' folders found, and what of the known documents is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct

from jobs.domain.corpus import DocumentId

Reason = Literal[
    "unreadable",
    "too-large",
    "binary",
    "not-utf-8",
    "empty",
    "outside",
    "link",
    "not-downloaded",
    "name",
    "same-name",
    "being-written",
]
"""Why a file is not a document, now.

``not-downloaded``: its content is only in a cloud. ``name``: not UTF-8 itself. ``same-name``: another file has this
name in another Unicode form. ``being-written``: it changed while it was looked at; the next scan reads it.
"""


class Known(Struct, frozen=True, kw_only=True):
    """What an earlier scan saw of a document. ``sha256`` is of its bytes."""

    size: int
    mtime_ns: int
    inode: int
    sha256: str


class Seen(Struct, frozen=True, kw_only=True):
    id: DocumentId
    known: Known


class PassedOver(Struct, frozen=True, kw_only=True):
    id: DocumentId
    reason: Reason


class Root(Struct, frozen=True, kw_only=True):
    """A collection's own folder that could be listed from beginning to end: which one it was. With a ``path``: a folder
    below it at which another volume begins."""

    collection: str
    device: int
    inode: int
    path: str = ""


class Scan(Struct, frozen=True, kw_only=True):
    """All files of the collections. In ``unreadable_folders`` the path ``""`` is a collection's own folder.

    ``unlisted``: known documents that were not found and that their collection's pattern and ignores leave out.
    """

    documents: tuple[Seen, ...]
    passed_over: tuple[PassedOver, ...]
    unreadable_folders: tuple[DocumentId, ...]
    roots: tuple[Root, ...] = ()
    unlisted: tuple[DocumentId, ...] = ()

    def counts(self) -> dict[Reason, int]:
        """How many files were passed over, by reason."""
        return dict(Counter(file.reason for file in self.passed_over))


def gone(known: Iterable[DocumentId], found: Scan) -> list[DocumentId]:
    """The known documents that are not there any more. What could not be looked at, or is there in any form, is."""
    present = {seen.id for seen in found.documents} | {file.id for file in found.passed_over}
    hidden = {(folder.collection, folder.path) for folder in found.unreadable_folders}
    return [
        document
        for document in known
        if document not in present
        and not any((document.collection, folder) in hidden for folder in folders_of(document.path))
    ]


def folders_of(path: str) -> Iterator[str]:
    """The folders that a path lies in, the collection's own first."""
    yield ""
    for position, character in enumerate(path):
        if character == "/":
            yield path[:position]
