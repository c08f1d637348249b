"""From a note to the releases that learned from it, and back: by the records in the releases themselves."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from jobs.domain.examples import DatasetManifest
from jobs.domain.lineage import Provenance
from jobs.domain.places import folded
from jobs.lineage import read_lineage, record_of
from jobs.releases import Release, Releases


class Ancestor(Struct, frozen=True, kw_only=True):
    """One of a release's models, and the release that first had it. ``record``: what it learnt from, if we trained it
    and the record is whole."""

    target: str
    model: str
    since: str
    record: Provenance | None


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
    """What became of the notes between two datasets of a target: the names of all but those that stayed ``same``."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]
    same: int


def ancestors(release: Release, releases: Releases) -> tuple[Ancestor, ...]:
    """A model is inherited until a later release trains its target again."""
    number = int(release.metadata.name[1:])
    earlier = [one for one in releases.all() if int(one.metadata.name[1:]) <= number]
    return tuple(
        Ancestor(
            target=target,
            model=Path(model.gguf).name,
            since=next(one.metadata.name for one in earlier if one.metadata.targets.get(target) == model),
            record=record_of(release, target),
        )
        for target, model in release.metadata.targets.items()
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
    old = {} if before is None else {str(source.id): source.sha256 for source in before.sources}
    new = {str(source.id): source.sha256 for source in after.sources}
    kept = new.keys() & old.keys()
    changed = {note for note in kept if new[note] != old[note]}
    return SourceChanges(
        new=tuple(sorted(new.keys() - old.keys())),
        changed=tuple(sorted(changed)),
        gone=tuple(sorted(old.keys() - new.keys())),
        same=len(kept) - len(changed),
    )


def learned(words: str, releases: Releases) -> tuple[Learned, ...]:
    """Every note whose ``collection/path`` has the ``words`` in it, if some release learnt from it by any model it
    carries."""
    wanted = folded(words)
    lineage = read_lineage(releases)
    found = {
        name: {str(source.id): source for source in record.sources if wanted in folded(str(source.id))}
        for name, record in lineage.records.items()
    }
    parts: dict[str, list[Part]] = {}
    texts: dict[str, str] = {}
    for release in reversed(lineage.releases):
        carried = [found[record] for record in release.records.values()]
        for document in {document for sources in carried for document in sources}:
            used = [sources[document] for sources in carried if document in sources]
            parts.setdefault(document, []).append(
                Part(release=release.name, rows=sum(source.examples for source in used))
            )
            texts.setdefault(document, used[-1].sha256)
    return tuple(
        Learned(document=document, sha256=texts[document], parts=tuple(found_in))
        for document, found_in in sorted(parts.items())
    )
