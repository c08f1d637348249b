"""What folders say of themselves: every ``.iaip.toml`` in a collection, and in the folders above it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from unicodedata import normalize

from jobs.consent.files import FOLDER_POLICY, read_folder_policy
from jobs.domain.consent import Rule, Said
from jobs.domain.corpus import Collection, DocumentId
from jobs.domain.places import Place, exact_parts

_LARGEST_POLICY = 64_000


def folder_rules(collections: Sequence[Collection], documents: Iterable[DocumentId]) -> list[Rule]:
    """A rule for each policy in a folder that holds some of the documents, at any depth, read afresh."""
    folders: dict[str, set[str]] = {}
    for document in documents:
        folder = document.path.rpartition("/")[0]
        known = folders.setdefault(document.collection, {""})
        while folder not in known:
            known.add(folder)
            folder = folder.rpartition("/")[0]
    return [
        Rule(place=place, said=said, source="folder policy")
        for collection in collections
        for place, path in _policy_places(collection, folders.get(collection.name, set()))
        if (said := _folder_said(path / FOLDER_POLICY)) is not None
    ]


def _policy_places(collection: Collection, folders: set[str]) -> list[tuple[Place, Path]]:
    """Every folder whose policy speaks of the collection's documents, those above its own folder too."""
    whole = Place(collection=collection.name)
    above = [(whole, folder) for folder in Path(os.path.realpath(collection.path)).parents]
    spellings = _spellings(Path(collection.path), folders)
    return above + [
        (Place(collection=collection.name, parts=exact_parts(folder)), path)
        for folder in sorted(folders)
        for path in spellings[folder]
    ]


def _spellings(root: Path, folders: set[str]) -> dict[str, list[Path]]:
    """Where each folder lies: documents are named in NFC, and the disk may have another form, or several."""
    found = {"": [root]}
    for folder in sorted(folders - {""}):
        above, _, name = folder.rpartition("/")
        found[folder] = [path for parent in found[above] for path in _spelled(parent, name)]
    return found


def _spelled(parent: Path, name: str) -> list[Path]:
    if name.isascii():
        return [parent / name]
    try:
        there = sorted(path for path in parent.iterdir() if normalize("NFC", path.name) == name)
    except OSError:
        there = []
    return there or [parent / name]


def _folder_said(path: Path) -> Said | None:
    """None if there is no policy. One that cannot be read, or is a link, denies all below."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return Said(unknown=True)
    try:
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(_LARGEST_POLICY + 1)
        return read_folder_policy(content.decode("utf-8")) if len(content) <= _LARGEST_POLICY else Said(unknown=True)
    except (OSError, UnicodeDecodeError):
        return Said(unknown=True)
