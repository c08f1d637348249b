"""Who allowed what, and what was made under it: records in force and ended, datasets and releases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path

import msgspec
from msgspec import Struct

from jobs.consent.coverage import Coverage
from jobs.consent.files import Record, RecordGrant
from jobs.consent.terms import holds_on
from jobs.consent.withdrawals import Journal
from jobs.domain.artifacts import ReleaseState
from jobs.domain.consent import Terms, Use
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


class AgreedGrant(Struct, frozen=True, kw_only=True):
    """One grant of a record as imported. ``begins`` and ``until`` are days, empty without one."""

    uses: tuple[Use, ...]
    places: tuple[str, ...]
    begins: str
    until: str
    season: str
    in_force: bool


class Agreed(Struct, frozen=True, kw_only=True):
    """A record as imported. ``documents`` counts those that stand on it today."""

    record: str
    revision: int
    holder: str
    kind: str
    contact: str
    language: str
    agreed: str
    conditions: str
    grants: tuple[AgreedGrant, ...]
    documents: int


class Ended(Struct, frozen=True, kw_only=True):
    """A record that was withdrawn, when (UTC) and by which withdrawal."""

    record: str
    at: str
    withdrawal: str


def agreements(found: Coverage) -> list[Agreed]:
    """Every record that stands as it was imported, by name."""
    return [_agreed(name, record, found) for name, record in found.now.records.items()]


def ended(journal: Journal) -> list[Ended]:
    """Every record that was withdrawn, oldest first."""
    return [
        Ended(record=record, at=one.asked_at.astimezone(UTC).date().isoformat(), withdrawal=one.id)
        for one in journal.all()
        for record in sorted(one.consents)
    ]


def _agreed(name: str, record: Record, found: Coverage) -> Agreed:
    stem = name.removesuffix(".toml")
    revision = imported(found.now.chain)[name].number
    return Agreed(
        record=stem,
        revision=revision,
        holder=record.holder,
        kind=record.kind,
        contact=record.contact,
        language=record.language,
        agreed=record.agreed.isoformat(),
        conditions=record.conditions,
        grants=tuple(_grant(grant, found.now.terms) for grant in record.grant),
        documents=sum(f"{stem}@{revision}" in document.ruling.consents for document in found.documents),
    )


def _grant(grant: RecordGrant, terms: Terms) -> AgreedGrant:
    return AgreedGrant(
        uses=grant.uses,
        places=grant.places,
        begins=grant.begins.isoformat() if grant.begins else "",
        until=grant.until.isoformat() if grant.until else "",
        season=grant.season,
        in_force=terms.trusted and holds_on(grant, terms.today),
    )


def used_datasets(found: Sequence[Release], datasets: Path) -> list[UsedDataset]:
    """Every dataset that a release's model was made from, gone or still on disk, and every other on disk; by name.

    The releases know by themselves: a dataset is cleared away while a model that was made from it is carried on.
    """
    used: dict[str, UsedDataset] = {}
    for release in found:
        for target, making in release.metadata.made.items():
            releases = used[making.dataset].releases if making.dataset in used else {}
            used[making.dataset] = UsedDataset(
                name=making.dataset,
                target=target,
                revision=making.consent,
                classes=dict(sorted(making.classes.items())),
                consents=sorted(making.consents),
                releases={**releases, release.metadata.name: release.state},
            )
    for path in datasets.glob("*/manifest.json"):
        if path.parent.name not in used and (one := _unreleased(path)) is not None:
            used[one.name] = one
    return [used[name] for name in sorted(used)]


def _unreleased(path: Path) -> UsedDataset | None:
    """None for one that cannot be read: no release needs it."""
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
        releases={},
    )
