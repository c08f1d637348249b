"""Which folders and documents a rule, a consent or an exclusion speaks of.

A restriction holds whatever the spelling: case and Unicode form are ignored. A permission holds for its exact
spelling, in any Unicode form: on a disk that tells ``Elders`` from ``elders`` these are two folders.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

from msgspec import Struct

from jobs.domain.corpus import Collection, DocumentId


class Place(Struct, frozen=True, kw_only=True):
    """A folder of a collection, or one document of it: names from the collection's root, in NFC."""

    collection: str
    parts: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "/".join((self.collection, *self.parts))


class ExcludedFolder(Struct, frozen=True, kw_only=True):
    """Folder names, folded. With a ``collection``, they count from its root; else from anywhere."""

    parts: tuple[str, ...]
    collection: str | None = None


def holds(place: Place, document: DocumentId) -> bool:
    """Whether the document lies in (or is) the place, by exact spelling. What a permission goes by."""
    if place.collection != document.collection:
        return False
    size = len(place.parts)
    return size == 0 or exact_parts(document.path)[:size] == place.parts


def may_hold(place: Place, document: DocumentId) -> bool:
    """The same, whatever the spelling. What a restriction goes by."""
    if folded(place.collection) != folded(document.collection):
        return False
    size = len(place.parts)
    return size == 0 or folded_parts(document.path)[:size] == tuple(map(folded, place.parts))


def may_meet(place: Place, collection: str, folder: str) -> bool:
    """Whether the place may hold any document that lies in this very folder."""
    here, there = folded_parts(folder), tuple(map(folded, place.parts))
    size = min(len(here), len(there))
    return folded(place.collection) == folded(collection) and here[:size] == there[:size]


def places(name: str, collections: Sequence[Collection]) -> tuple[Place, ...]:
    """What a name means: an absolute path (every collection in it, or the part of a collection it is), else
    ``collection`` or ``collection/folder``. The collections' paths must be free of links.

    An absolute path stays where it is when a collection is pointed elsewhere; it then means nothing.
    """
    parts = exact_parts(name)
    if not name.startswith("/"):
        return (Place(collection=parts[0], parts=parts[1:]),) if parts and ".." not in parts else ()
    found = []
    for collection in collections:
        root = exact_parts(collection.path)
        if root[: len(parts)] == parts:
            found.append(Place(collection=collection.name))
        elif parts[: len(root)] == root:
            found.append(Place(collection=collection.name, parts=parts[len(root) :]))
    return tuple(found)


def excluded_folders(configured: Iterable[str], collections: Sequence[Collection]) -> tuple[ExcludedFolder, ...]:
    """The settings' folders, ready to compare.

    A relative one (``private``, ``work/secret``, ``notes/private``) is excluded wherever these folders follow
    each other in a document's collection and path. An absolute one is excluded where it meets a collection.
    """
    found: list[ExcludedFolder] = []
    for folder in configured:
        parts = folded_parts(folder)
        if not folder.startswith("/"):
            if parts:
                found.append(ExcludedFolder(parts=parts))
            continue
        for collection in collections:
            root = folded_parts(collection.path)
            if root[: len(parts)] == parts:
                found.append(ExcludedFolder(parts=(), collection=collection.name))
            elif parts[: len(root)] == root:
                found.append(ExcludedFolder(parts=parts[len(root) :], collection=collection.name))
    return tuple(found)


def lies_in(document: DocumentId, folder: ExcludedFolder) -> bool:
    path = folded_parts(document.path)[:-1]
    size = len(folder.parts)
    if folder.collection is not None:
        return folder.collection == document.collection and path[:size] == folder.parts
    names = (folded(document.collection), *path)
    return any(names[start : start + size] == folder.parts for start in range(len(names) - size + 1))


@lru_cache(maxsize=8192)
def exact_parts(path: str) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFC", part) for part in path.split("/") if part not in ("", "."))


@lru_cache(maxsize=8192)
def folded_parts(path: str) -> tuple[str, ...]:
    return tuple(folded(part) for part in path.split("/") if part not in ("", "."))


@lru_cache(maxsize=8192)
def folded(name: str) -> str:
    """Equal for names that some file system takes for the same: case and Unicode form are ignored."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
