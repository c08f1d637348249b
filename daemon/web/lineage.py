"""From a note to the releases that learned from it, and back: read from the datasets' manifests."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from jobs.domain.examples import DatasetManifest
from jobs.releases import Release, Releases


class Ancestor(Struct, frozen=True, kw_only=True):
    """One of a release's models: the release that first had it, and the dataset it was trained on if we trained it."""

    target: str
    model: str
    since: str
    manifest: DatasetManifest | None


class Part(Struct, frozen=True, kw_only=True):
    """How many rows of a release's training came from a note."""

    release: str
    rows: int


class Learned(Struct, frozen=True, kw_only=True):
    """A note and every release that learned from it, the newest first. ``sha256`` is of the text that one saw."""

    document: str
    sha256: str
    parts: tuple[Part, ...]


class SourceChanges(Struct, frozen=True, kw_only=True):
    """Counts of notes between two datasets of a target."""

    new: int
    changed: int
    gone: int
    same: int


def ancestors(release: Release, releases: Releases, datasets: Path) -> tuple[Ancestor, ...]:
    """A model is inherited until a later release trains its target again."""
    number = int(release.metadata.name[1:])
    earlier = [one for one in releases.all() if int(one.metadata.name[1:]) <= number]
    return tuple(
        _ancestor(target, model.sha256, model.gguf, earlier, datasets)
        for target, model in release.metadata.targets.items()
    )


def _ancestor(target: str, sha256: str, gguf: str, earlier: list[Release], datasets: Path) -> Ancestor:
    having = [one.metadata for one in earlier if target in one.metadata.targets]
    same = [one for one in having if one.targets[target].sha256 == sha256 and one.targets[target].gguf == gguf]
    trained = next((one for one in same if one.target == target and one.dataset), None)
    return Ancestor(
        target=target,
        model=Path(gguf).name,
        since=(trained or same[0]).name,
        manifest=None if trained is None else manifest(datasets, trained.dataset),
    )


def manifest(datasets: Path, name: str | None) -> DatasetManifest | None:
    """None if the dataset is not kept any more."""
    if name is None:
        return None
    try:
        return msgspec.json.decode((datasets / name / "manifest.json").read_bytes(), type=DatasetManifest)
    except (OSError, msgspec.DecodeError):
        return None


def source_changes(before: DatasetManifest | None, after: DatasetManifest) -> SourceChanges:
    """What became of the notes between two datasets; with none before, all are new."""
    old = {} if before is None else {source.id: source.sha256 for source in before.sources}
    new = {source.id: source.sha256 for source in after.sources}
    return SourceChanges(
        new=len(new.keys() - old.keys()),
        changed=sum(new[note] != old[note] for note in new.keys() & old.keys()),
        gone=len(old.keys() - new.keys()),
        same=sum(new[note] == old[note] for note in new.keys() & old.keys()),
    )


def learned(words: str, releases: Releases, datasets: Path) -> tuple[Learned, ...]:
    """Every note whose ``collection/path`` has the ``words`` in it, if some release was trained on it."""
    wanted = words.casefold()
    parts: dict[str, list[Part]] = {}
    texts: dict[str, str] = {}
    for release in reversed(releases.all()):
        found = manifest(datasets, release.metadata.dataset)
        for source in () if found is None else found.sources:
            document = str(source.id)
            if wanted in document.casefold():
                parts.setdefault(document, []).append(Part(release=release.metadata.name, rows=source.rows))
                texts.setdefault(document, source.sha256)
    return tuple(
        Learned(document=document, sha256=texts[document], parts=tuple(found))
        for document, found in sorted(parts.items())
    )
