"""The records of what releases were made from, in the releases' own directories: ``vN/sources/<target>.json``.

A record is written when its model is deployed and copied into every release that carries the model on. The release's
metadata names each by its digest, so that a missing or damaged one is noticed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from jobs.domain.artifacts import ReleaseMetadata, SourcesFile
from jobs.domain.errors import BadInput
from jobs.domain.examples import DatasetManifest
from jobs.domain.lineage import UNREADABLE, Lineage, Material, Provenance, ReleaseLineage, is_part, needles
from jobs.releases import WITHDRAWN, Release, Releases

BILL = "bom.cdx.json"
"""The release as a CycloneDX ML-BOM: the one paper of a release that is made to be shared."""

_decoder = msgspec.json.Decoder(Provenance)


def with_record(record: Provenance, live: Release) -> tuple[dict[str, SourcesFile], dict[str, bytes]]:
    """What a release that follows the ``live`` one carries: the records' names by target, and the files' contents.

    A carried record that is missing stays named: nobody can say any more what that model derives from.
    """
    content = msgspec.json.encode(record) + b"\n"
    carried = {target: named for target, named in live.metadata.sources.items() if target != record.target}
    named = SourcesFile(file=f"sources/{record.target}.json", sha256=hashlib.sha256(content).hexdigest())
    files = {one.file: path.read_bytes() for one in carried.values() if (path := live.directory / one.file).is_file()}
    return {**carried, record.target: named}, {**files, named.file: content}


def records_in(sources: Mapping[str, SourcesFile], files: Mapping[str, bytes]) -> dict[str, Provenance]:
    """The records by target, of those files that are whole."""
    return {
        target: _decoder.decode(files[named.file])
        for target, named in sources.items()
        if hashlib.sha256(files.get(named.file, b"")).hexdigest() == named.sha256
    }


def read_lineage(releases: Releases, about: Material | None = None) -> Lineage:
    """Every release's records; each distinct one is read once, however many releases carry it.

    A release that was withdrawn and cleared derives from nothing any more. ``about``: the records that say nothing of
    this material are checked, but not decoded, and are not in the result's ``records``. Where there are many
    documents, decoding is what takes the time.
    """
    wanted = None if about is None else needles(about)
    metadata = {name: _metadata(releases, name) for name in releases.names()}
    tombstones = {name for name in metadata if is_tombstone(releases.directory(name))}
    copies: dict[str, list[Path]] = {}
    for name, one in metadata.items():
        for named in one.sources.values() if one else ():
            copies.setdefault(named.sha256, []).append(releases.directory(name) / named.file)
    whole: set[str] = set()
    records: dict[str, Provenance] = {}
    for sha256, paths in copies.items():
        if (content := _content(paths, sha256)) is not None:
            whole.add(sha256)
            if wanted is None or any(needle in content for needle in wanted):
                records[sha256] = _decoder.decode(content)
    ours = {one.targets[one.target].sha256 for one in metadata.values() if one and one.target in one.targets}
    return Lineage(
        releases=tuple(
            ReleaseLineage(name=name) if name in tombstones else _release(name, one, ours, whole)
            for name, one in metadata.items()
        ),
        records=records,
    )


class UsedIn(Struct, frozen=True, kw_only=True):
    """A dataset on disk, whether or not a release came of it, with some material in it."""

    dataset: str
    target: str
    rows: int


def datasets_with(folder: Path, about: Material) -> tuple[UsedIn, ...]:
    """The datasets on disk that were made from some of the material, by name. One that cannot be read is passed over:
    it is never trained on."""
    wanted, found = needles(about), []
    for path in sorted(folder.glob("*/manifest.json")):
        with suppress(OSError, msgspec.DecodeError):
            content = path.read_bytes()
            if any(needle in content for needle in wanted):
                manifest = msgspec.json.decode(content, type=DatasetManifest)
                if hit := [source for source in manifest.sources if is_part(source, about)]:
                    rows = sum(source.rows for source in hit)
                    found.append(UsedIn(dataset=manifest.name, target=manifest.target, rows=rows))
    return tuple(found)


def record_of(release: Release, target: str) -> Provenance | None:
    """None if the target was not trained, or its record is missing or not the one that the release names."""
    if (named := release.metadata.sources.get(target)) is None:
        return None
    content = _content([release.directory / named.file], named.sha256)
    return None if content is None else _decoder.decode(content)


def is_tombstone(directory: Path) -> bool:
    """Whether the release was withdrawn and what it held is gone: nothing is left that could derive from anything."""
    return (directory / WITHDRAWN).exists() and not (directory / "index").exists()


def _metadata(releases: Releases, name: str) -> ReleaseMetadata | None:
    with suppress(BadInput):
        return releases.release(name).metadata
    return None


def _content(copies: Sequence[Path], sha256: str) -> bytes | None:
    """None if no copy is the record of that digest."""
    for path in copies:
        with suppress(OSError):
            if hashlib.sha256(content := path.read_bytes()).hexdigest() == sha256:
                return content
    return None


def _release(name: str, metadata: ReleaseMetadata | None, ours: Set[str], whole: Set[str]) -> ReleaseLineage:
    """``ours``: the digests of the models that some release says it was made for; ``whole``: of the records there."""
    if metadata is None:
        return ReleaseLineage(name=name, unaccounted=(UNREADABLE,))
    named = {target: one.sha256 for target, one in metadata.sources.items() if target in metadata.targets}
    records = {target: sha256 for target, sha256 in named.items() if sha256 in whole}
    trained = {target for target, model in metadata.targets.items() if target in named or model.sha256 in ours}
    return ReleaseLineage(name=name, records=records, unaccounted=tuple(sorted(trained - records.keys())))
