"""Every file that QMD 2.8.3's ``reindexCollection`` would list, and what stands in its way.

Its glob patterns, fixed ignores, no hidden names, no links followed, nothing outside the collection's folder.
A document's path is in Unicode form NFC whatever the disk has: file systems and sync tools change the form.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from unicodedata import normalize

from msgspec import Struct

from jobs.adapters.glob_patterns import FilePatterns, file_patterns
from jobs.domain.corpus import Collection
from jobs.domain.scan import Reason


class Entry(Struct, frozen=True):
    """A path as the disk spells it. ``folder``: it cannot be listed. ``volume``: another one begins at this folder. A
    Reason: it is no document."""

    path: str
    kind: Literal["file", "folder", "volume"] | Reason


def walk(collection: Collection) -> Iterator[Entry]:
    """Every file that belongs to the collection, every link in its place and every folder that cannot be read."""
    root = Path(collection.path)
    if not root.is_absolute() or not os.access(root, os.R_OK | os.X_OK) or not root.is_dir():
        yield Entry("", "folder")
        return
    patterns = file_patterns(collection.pattern, collection.ignore)
    entries = _all(root, patterns)
    yield from entries if len(patterns.starts) + len(patterns.named) == 1 else _once(root, entries)


def document_path(path: str) -> str:
    return path if path.isascii() else normalize("NFC", path)


def folded(path: str) -> str:
    """Equal for paths that a file system may take for the same."""
    return document_path(path).casefold()


def is_still_there(root: str, path: str) -> bool:
    """Whether a plain file lies at a document's path, with no link on the way."""
    place = on_disk(root, path)
    if not Path(place).is_file():
        return False
    return document_path(os.path.realpath(place)) == document_path(f"{os.path.realpath(root)}/{path}")


def on_disk(root: str, path: str) -> str:
    """Where the document ``path`` lies: the disk may spell it in another Unicode form."""
    place = f"{root}/{path}"
    if path.isascii() or os.path.lexists(place):
        return place
    place = root
    for part in path.split("/"):
        place = f"{place}/{_spelled(place, part)}"
    return place


def lists(collection: Collection, path: str) -> bool:
    """Whether the collection's pattern and ignores would list a document of that path."""
    patterns = file_patterns(collection.pattern, collection.ignore)
    folders = (path[:position] for position, character in enumerate(path) if character == "/")
    if path in patterns.named:
        return patterns.lists(path, collection.path)
    return patterns.lists(path, collection.path) and all(patterns.enters(folder) for folder in folders)


def is_inside(root: Path, path: Path) -> bool:
    """Whether no link lies between the two: what a place permits is permitted to what is really there."""
    real = Path(os.path.realpath(root))
    return path.is_relative_to(root) and Path(os.path.realpath(path)) == real / path.relative_to(root)


def _all(root: Path, patterns: FilePatterns) -> Iterator[Entry]:
    for path in patterns.named:
        yield from _named(root, path, patterns)
    for start in patterns.starts:
        inside = is_inside(root, root / start)
        for entry in _below(root, start, patterns):
            yield entry if inside or entry.kind != "file" else Entry(entry.path, "outside")


def _once(root: Path, entries: Iterator[Entry]) -> Iterator[Entry]:
    """A file named outright is also walked to, starts lie in each other, and a disk may not tell cases apart."""
    known: dict[str, Entry] = {}
    places: dict[tuple[str, int], str] = {}
    for entry in entries:
        path = places.setdefault((folded(entry.path), _inode(root / entry.path)), entry.path)
        if path == entry.path:
            known[path] = entry
    yield from known.values()


def _named(root: Path, path: str, patterns: FilePatterns) -> Iterator[Entry]:
    """A file that the mask names outright."""
    place = root / path
    if not patterns.lists(path, str(root)) or not os.path.lexists(place):
        return
    if place.is_symlink():
        yield Entry(path, "link")
    elif place.is_file():
        yield Entry(path, "file" if is_inside(root, place) else "outside")


def _below(root: Path, start: str, patterns: FilePatterns) -> Iterator[Entry]:
    folders = [(start, _device(root))]
    while folders:
        folder, around = folders.pop()
        device = _device(root / folder)
        if folder and device != around:
            yield Entry(folder, "volume")
        try:
            with os.scandir(root / folder) as listing:
                entries = sorted(listing, key=_spelling)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                yield Entry(folder, "folder")
            continue
        inner = []
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if not _is_utf_8(path):
                yield Entry(os.fsencode(path).decode("utf-8", "replace"), "name")
            elif entry.is_dir(follow_symlinks=False):
                if patterns.enters(path):
                    inner.append((path, device))
            elif patterns.lists(path, str(root)):
                yield from _file_or_link(entry, path)
        folders += reversed(inner)


def _device(folder: Path) -> int | None:
    try:
        return folder.stat().st_dev
    except OSError:
        return None


def _spelling(entry: os.DirEntry[str]) -> tuple[bool, str]:
    """Composed names first: where two names differ in form alone, they are the document."""
    return document_path(entry.name) != entry.name, entry.name


def _file_or_link(entry: os.DirEntry[str], path: str) -> Iterator[Entry]:
    if entry.is_symlink():
        yield Entry(path, "link")
    elif entry.is_file(follow_symlinks=False):
        yield Entry(path, "file")


def _inode(path: Path) -> int:
    try:
        return path.lstat().st_ino
    except OSError:
        return 0


def _spelled(folder: str, name: str) -> str:
    if os.path.lexists(f"{folder}/{name}"):
        return name
    try:
        names = sorted(place.name for place in Path(folder).iterdir())
    except OSError:
        return name
    return next((other for other in names if document_path(other) == name), name)


def _is_utf_8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
