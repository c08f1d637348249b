"""Who allowed what, and what was made under it: records in force, datasets and releases on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from jobs.consent.coverage import Coverage
from jobs.consent.files import Record
from jobs.domain.artifacts import ReleaseState
from jobs.domain.consent_log import imported
from jobs.releases import Release


class UsedDataset(Struct, frozen=True, kw_only=True):
    """A dataset and the releases that a model trained on it is part of, with their states.

    ``revision`` is the consent revision it was built under, ``classes`` counts its notes, ``consents`` allowed them.
    """

    name: str
    target: str
    revision: str
    classes: dict[str, int]
    consents: list[str]
    releases: dict[str, ReleaseState]

    @property
    def is_live(self) -> bool:
        return any(state in ("live", "trial") for state in self.releases.values())


class _Source(Struct):
    classification: str = "unclassified"
    consents: tuple[str, ...] = ()


class _Manifest(Struct):
    """What of a dataset's manifest is told here: with ten thousand notes in each, no more of it is held."""

    name: str
    target: str
    sources: tuple[_Source, ...]
    consent: str = ""


class Agreed(Struct, frozen=True, kw_only=True):
    """A record as imported. ``until`` is the last day of its grants, empty if one has no end.

    ``documents`` counts those that stand on it today.
    """

    record: str
    revision: int
    holder: str
    kind: str
    contact: str
    agreed: str
    uses: list[str]
    until: str
    in_force: bool
    documents: int


def agreements(found: Coverage) -> list[Agreed]:
    """Every record that stands as it was imported, by name."""
    return [_agreed(name, record, found) for name, record in found.now.records.items()]


def _agreed(name: str, record: Record, found: Coverage) -> Agreed:
    stem = name.removesuffix(".toml")
    revision = imported(found.now.chain)[name].number
    return Agreed(
        record=stem,
        revision=revision,
        holder=record.holder,
        kind=record.kind,
        contact=record.contact,
        agreed=record.agreed.isoformat(),
        uses=sorted({use for grant in record.grant for use in grant.uses}),
        until=_last_day(record),
        in_force=any(grant.record == stem for grant in found.now.terms.grants),
        documents=sum(f"{stem}@{revision}" in document.ruling.consents for document in found.documents),
    )


def _last_day(record: Record) -> str:
    days = [grant.until for grant in record.grant if grant.until is not None]
    return max(days).isoformat() if len(days) == len(record.grant) else ""


def used_datasets(found: Sequence[Release], datasets: Path) -> list[UsedDataset]:
    """Every dataset that is still on disk, by name. One that cannot be read is left out: no release needs it."""
    trained = {
        (release.metadata.target, release.metadata.targets[release.metadata.target].sha256): release.metadata.dataset
        for release in found
        if release.metadata.target and release.metadata.target in release.metadata.targets
    }
    places: dict[str, dict[str, ReleaseState]] = {}
    for release in found:
        for target, model in release.metadata.targets.items():
            if dataset := trained.get((target, model.sha256)):
                places.setdefault(dataset, {})[release.metadata.name] = release.state
    return [
        used
        for path in sorted(datasets.glob("*/manifest.json"))
        if (used := _used(path, places.get(path.parent.name, {}))) is not None
    ]


def _used(path: Path, releases: dict[str, ReleaseState]) -> UsedDataset | None:
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=_Manifest)
    except (OSError, msgspec.DecodeError):
        return None
    return UsedDataset(
        name=manifest.name,
        target=manifest.target,
        revision=manifest.consent,
        classes=dict(sorted(Counter(source.classification for source in manifest.sources).items())),
        consents=sorted({consent for source in manifest.sources for consent in source.consents}),
        releases=releases,
    )
