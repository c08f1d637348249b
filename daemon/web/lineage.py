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


class Learned(Struct, frozen=True, kw_only=True):
    """A note in a release: how many rows of training came from it."""

    release: str
    target: str
    document: str
    sha256: str
    rows: int


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


def learned(words: str, releases: Releases, datasets: Path) -> tuple[Learned, ...]:
    """Every note whose ``collection/path`` has the ``words`` in it, in every release that was trained on it."""
    wanted = words.casefold()
    return tuple(
        Learned(
            release=release.metadata.name,
            target=release.metadata.target or "",
            document=str(source.id),
            sha256=source.sha256,
            rows=source.rows,
        )
        for release in releases.all()
        if (found := manifest(datasets, release.metadata.dataset)) is not None
        for source in found.sources
        if wanted in str(source.id).casefold()
    )
