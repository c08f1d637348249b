"""The notes on disk, as QMD would index them: a scan that is cheap when little changed, and reading one note.

Lists what QMD 2.8.3's ``reindexCollection`` lists: its glob patterns, fixed ignores, no hidden names, no
links followed, nothing that lies outside the collection's folder. What QMD would index but nobody can train on
(too large, binary, not UTF-8) is passed over and counted.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from jobs.adapters.glob_patterns import FilePatterns, file_patterns
from jobs.domain.corpus import Collection, Document, DocumentId
from jobs.domain.errors import BadInput
from jobs.domain.scan import Known, PassedOver, Reason, Scan, Seen

_SF_DATALESS = 0x40000000  # <sys/stat.h> on macOS
_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# A file written this shortly before a scan can change again without a new modification time.
_UNSETTLED_NS = 2_000_000_000
_WORDS: Mapping[Reason, str] = {
    "unreadable": "is gone or may not be read",
    "too-large": "is larger than watch.largest_document",
    "binary": "is not text",
    "not-utf-8": "is not UTF-8",
    "empty": "is empty",
    "outside": "lies outside its collection's folder",
    "link": "is a link",
    "not-downloaded": "has not been downloaded to this machine",
    "name": "has a name that is not UTF-8",
}


def scan(collections: Iterable[Collection], known: Mapping[DocumentId, Known], *, largest: int, now_ns: int) -> Scan:
    """Looks at every file; reads only what differs from ``known`` in size, modification time or inode.

    ``largest`` is in bytes, ``now_ns`` is the time of day. Never raises for a bad file.
    """
    documents: list[Seen] = []
    passed_over: list[PassedOver] = []
    unreadable: list[DocumentId] = []
    for collection in collections:
        for entry in _walk(collection):
            document = DocumentId(collection=collection.name, path=entry.path)
            if entry.kind == "folder":
                unreadable.append(document)
                continue
            found = entry.kind if entry.kind != "file" else None
            result = found or _examine(Path(collection.path, entry.path), known.get(document), largest, now_ns)
            if isinstance(result, Known):
                documents.append(Seen(id=document, known=result))
            else:
                passed_over.append(PassedOver(id=document, reason=result))
    return Scan(documents=tuple(documents), passed_over=tuple(passed_over), unreadable_folders=tuple(unreadable))


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
        path = Path(collection.path, document.path)
        content = _content(path, self._largest) if _is_inside(Path(collection.path), path) else "outside"
        if not isinstance(content, bytes):
            raise BadInput(f"{document} {_WORDS[content]}", remedy="mend or remove the file; the others are used")
        return Document(id=document, sha256=hashlib.sha256(content).hexdigest(), text=content.decode("utf-8"))


class _Entry(Struct, frozen=True):
    """A path in a collection. ``folder``: it cannot be listed. A Reason: it is no document."""

    path: str
    kind: Literal["file", "folder"] | Reason


def _walk(collection: Collection) -> Iterator[_Entry]:
    """Every file that belongs to the collection, every link in its place and every folder that cannot be read."""
    root = Path(collection.path)
    if not root.is_absolute() or not os.access(root, os.R_OK | os.X_OK) or not root.is_dir():
        yield _Entry("", "folder")
        return
    patterns = file_patterns(collection.pattern, collection.ignore)
    entries = {entry.path: entry for path in patterns.named for entry in _named(root, path, patterns)}
    for start in patterns.starts:  # they may lie in each other
        inside = _is_inside(root, root / start)
        for entry in _below(root, start, patterns):
            entries[entry.path] = entry if inside or entry.kind != "file" else _Entry(entry.path, "outside")
    yield from entries.values()


def _named(root: Path, path: str, patterns: FilePatterns) -> Iterator[_Entry]:
    """A file that the mask names outright."""
    place = root / path
    if not patterns.lists(path, str(root)) or not os.path.lexists(place):
        return
    if place.is_symlink():
        yield _Entry(path, "link")
    elif place.is_file():
        yield _Entry(path, "file" if _is_inside(root, place) else "outside")


def _below(root: Path, start: str, patterns: FilePatterns) -> Iterator[_Entry]:
    folders = [start]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(root / folder) as listing:
                entries = list(listing)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                yield _Entry(folder, "folder")
            continue
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if not _is_utf_8(path):
                yield _Entry(os.fsencode(path).decode("utf-8", "replace"), "name")
            elif entry.is_dir(follow_symlinks=False):
                if patterns.enters(path):
                    folders.append(path)
            elif patterns.lists(path, str(root)):
                yield from _file_or_link(entry, path)


def _file_or_link(entry: os.DirEntry[str], path: str) -> Iterator[_Entry]:
    if entry.is_symlink():
        yield _Entry(path, "link")
    elif entry.is_file(follow_symlinks=False):
        yield _Entry(path, "file")


def _is_utf_8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_inside(root: Path, path: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def _examine(path: Path, known: Known | None, largest: int, now_ns: int) -> Known | Reason:
    """The document as it is now, taken from ``known`` if its file looks the same."""
    try:
        status = path.lstat()
    except OSError:
        return "unreadable"
    if known is not None and (known.size, known.mtime_ns, known.inode) == (
        status.st_size,
        status.st_mtime_ns,
        status.st_ino,
    ):
        return known
    content = _content(path, largest)
    if not isinstance(content, bytes):
        return content
    settled = abs(now_ns - status.st_mtime_ns) >= _UNSETTLED_NS
    return Known(
        size=status.st_size,
        mtime_ns=status.st_mtime_ns if settled else 0,  # 0: the next scan reads it once more
        inode=status.st_ino,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _content(path: Path, largest: int) -> bytes | Reason:
    """The bytes of a file that is a document, else why it is none."""
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
    except OSError as error:
        return "link" if error.errno == errno.ELOOP else "unreadable"
    try:
        with os.fdopen(descriptor, "rb") as file:
            if reason := _unwanted(os.fstat(file.fileno()), largest):
                return reason
            content = file.read(largest + 1)
    except OSError:
        return "unreadable"
    return _judged(content, largest)


def _unwanted(status: os.stat_result, largest: int) -> Reason | None:
    if not stat.S_ISREG(status.st_mode):
        return "unreadable"
    if sys.platform == "darwin" and status.st_flags & _SF_DATALESS:
        return "not-downloaded"
    return "too-large" if status.st_size > largest else None


def _judged(content: bytes, largest: int) -> bytes | Reason:
    if len(content) > largest:
        return "too-large"
    if b"\0" in content:
        return "binary"
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return "not-utf-8"
    return content if text.replace("\ufeff", "").strip() else "empty"
