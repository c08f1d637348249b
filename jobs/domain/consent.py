"""Which documents may be used for what. One function decides; the most restrictive reading wins."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from jobs.domain.corpus import Collection, DocumentId

Use = Literal["dataset", "train", "release"]

REVISION = 1
"""Raised whenever ``permitted`` could decide otherwise about the same document."""


class FrontMatter(Struct, frozen=True, kw_only=True):
    """What a note says about itself. ``marks`` are the words under ``iaip:``, case-folded, those set to false left out.

    ``state`` is ``broken`` when there is front matter that cannot be read; then the rest is empty.
    """

    state: Literal["none", "read", "broken"] = "none"
    marks: tuple[str, ...] = ()
    title: str = ""
    aliases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class ExcludedFolder(Struct, frozen=True, kw_only=True):
    """Folder names, folded. With a ``collection``, they count from its root; else from anywhere."""

    parts: tuple[str, ...]
    collection: str | None = None


class Permission(Struct, frozen=True, kw_only=True):
    """``reason`` says in words why not; it is empty when ``allowed``."""

    allowed: bool
    reason: str = ""


def permitted(
    front_matter: FrontMatter, document: DocumentId, excluded_folders: Sequence[ExcludedFolder], use: Use
) -> Permission:
    """Whether the document may be put to this use. Front matter that cannot be read or understood denies.

    Today every use is decided alike.
    """
    if any(_lies_in(document, folder) for folder in excluded_folders):
        return Permission(allowed=False, reason="excluded folder")
    if front_matter.state == "broken":
        return Permission(allowed=False, reason="unreadable front matter")
    if "exclude" in front_matter.marks:
        return Permission(allowed=False, reason="iaip: exclude")
    if front_matter.marks:
        return Permission(allowed=False, reason="iaip mark not understood")
    return Permission(allowed=True)


def excluded_folders(configured: Sequence[str], collections: Sequence[Collection]) -> tuple[ExcludedFolder, ...]:
    """The settings' folders, ready to compare.

    A relative one (``private``, ``work/secret``, ``notes/private``) is excluded wherever these folders follow
    each other in a document's collection and path. An absolute one is excluded where it meets a collection.
    """
    found: list[ExcludedFolder] = []
    for folder in configured:
        parts = _parts(folder)
        if not folder.startswith("/"):
            if parts:
                found.append(ExcludedFolder(parts=parts))
            continue
        for collection in collections:
            root = _parts(collection.path)
            if root[: len(parts)] == parts:
                found.append(ExcludedFolder(parts=(), collection=collection.name))
            elif parts[: len(root)] == root:
                found.append(ExcludedFolder(parts=parts[len(root) :], collection=collection.name))
    return tuple(found)


def _lies_in(document: DocumentId, folder: ExcludedFolder) -> bool:
    path = _parts(document.path)[:-1]
    size = len(folder.parts)
    if folder.collection is not None:
        return folder.collection == document.collection and path[:size] == folder.parts
    names = (_folded(document.collection), *path)
    return any(names[start : start + size] == folder.parts for start in range(len(names) - size + 1))


def _parts(path: str) -> tuple[str, ...]:
    return tuple(_folded(part) for part in path.split("/") if part not in ("", "."))


def _folded(name: str) -> str:
    """Equal for names that some file system takes for the same: case and Unicode form are ignored."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
