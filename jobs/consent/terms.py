"""What is in force now: the settings, the policies, the folders' own files and the records, read afresh every time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from config.paths import Home
from config.settings import Settings
from jobs.consent.book import Change, ConsentBook
from jobs.consent.displaced import displaced_saids
from jobs.consent.files import POLICY, PolicyRule, Record, RecordGrant, read_record
from jobs.consent.folder_policies import folder_rules
from jobs.consent.log import ahead
from jobs.consent.policy import policy_now
from jobs.consent.roots import real_collections, stays
from jobs.consent.withdrawals import Journal
from jobs.domain.consent import REVISION, Grant, Terms
from jobs.domain.consent_log import Chain, Entry, imported
from jobs.domain.corpus import Collection, DocumentId, digest, text_digest
from jobs.domain.errors import BadInput
from jobs.domain.places import ExcludedFolder, Place, excluded_folders, places
from jobs.domain.seasons import season, within
from jobs.domain.withdrawal import Denied, denied_by


class InForce(Struct, frozen=True, kw_only=True):
    """``changes`` are files that differ from what was imported. ``problem`` is what is wrong with the log.

    ``policy`` are the rules as written. ``elsewhere`` (file: place) name a collection that lies in another folder than
    when they were taken in; they permit nothing. ``ahead`` says when the clock is behind the day it is held to be.
    """

    terms: Terms
    chain: Chain
    records: dict[str, Record]
    changes: dict[str, Change]
    policy: tuple[PolicyRule, ...]
    elsewhere: tuple[str, ...]
    ahead: str

    @property
    def problem(self) -> str:
        return self.chain.problem


def in_force(
    home: Home,
    settings: Settings,
    collections: Sequence[Collection],
    documents: Iterable[DocumentId],
    now: datetime,
    policy_to_be: str | None = None,
) -> InForce:
    """Everything that decides about these documents at this moment; with ``policy_to_be``, as if it were imported.

    Raises BadInput if what was withdrawn, or was moved from a restricted place, cannot be read.

    A clock that was set back is not believed: the day is never before one that was seen (``ConsentBook.day``).
    """
    book = ConsentBook(home.consent)
    chain, files = book.chain(), book.files()
    known = imported(chain)
    withdrawn = denied_by(chain, Journal(home.consent).all())
    today, real = book.day(now, chain), real_collections(collections)
    policy = policy_now(files.get(POLICY, ""), known.get(POLICY), real, policy_to_be)
    rules = policy.rules + folder_rules(collections, documents)
    records = _records(files, known, withdrawn)
    excluded = exclusions(settings, collections)
    displaced = displaced_saids(home.consent, policy.written)
    denied = [sorted(part) for part in (withdrawn.documents, withdrawn.contents, withdrawn.records)]
    meant = [(name, _covered(grant, known[name], real)) for name, record in records.items() for grant in record.grant]
    decisive = (rules, policy.words, policy.seasons, excluded, bool(chain.problem), denied, displaced, meant)
    terms = Terms(
        rules=tuple(rules),
        grants=tuple(
            grant for name, record in records.items() for grant in _grants(name, record, known[name], real, today)
        ),
        excluded=excluded,
        seasons=policy.seasons,
        words=policy.words,
        displaced=displaced,
        withdrawn=withdrawn,
        today=today,
        trusted=not chain.problem,
        revision=_revision(decisive, {name: known[name] for name in records}),
    )
    return InForce(
        terms=terms,
        chain=chain,
        records=records,
        changes=book.changes(),
        policy=policy.written,
        elsewhere=tuple(_elsewhere(policy.written, records, known, real)),
        ahead=ahead(today, now),
    )


def _revision(decisive: object, records: Mapping[str, Entry]) -> str:
    """Names all that decides: under the same revision the same document is ruled the same."""
    texts = (part for name, record in records.items() for part in (f"{name}@{record.number}", record.text))
    return digest(str(REVISION), msgspec.json.encode(decisive).decode(), *texts)


def ruled_now(
    home: Home, settings: Settings, collections: Sequence[Collection], documents: Iterable[DocumentId]
) -> InForce:
    """What a gate goes by: all that is in force at this moment, and the day is noted."""
    now = datetime.now(UTC)
    ConsentBook(home.consent).note_day(now)
    return in_force(home, settings, collections, documents, now)


def exclusions(settings: Settings, collections: Sequence[Collection]) -> tuple[ExcludedFolder, ...]:
    """The excluded folders of the settings, with ``~`` and links in absolute ones followed as well."""
    configured = [
        form
        for folder in settings.watch.excluded_folders
        for form in ((folder,) if not folder.startswith(("/", "~")) else _forms(folder))
    ]
    both = [*collections, *(real for real in real_collections(collections) if real not in collections)]
    return excluded_folders(dict.fromkeys(configured), both)


def _forms(folder: str) -> tuple[str, str]:
    path = Path(folder).expanduser()
    return str(path), str(path.resolve())


def record_places(records: Iterable[Record], collections: Sequence[Collection]) -> list[Place]:
    """Every place that some record speaks of, in force or not."""
    real = real_collections(collections)
    named = (name for record in records for grant in record.grant for name in grant.places)
    return [place for name in named for place in places(name, real)]


def _elsewhere(
    policy: Sequence[PolicyRule],
    records: Mapping[str, Record],
    known: Mapping[str, Entry],
    collections: Sequence[Collection],
) -> Iterator[str]:
    named = [(POLICY, rule.place) for rule in policy]
    named += [(name, place) for name, record in records.items() for grant in record.grant for place in grant.places]
    for name, place in sorted(set(named)):
        if not stays(place, known.get(name), collections):
            yield f"{name}: {place}"


def _records(files: dict[str, str], known: dict[str, Entry], withdrawn: Denied) -> dict[str, Record]:
    """The records that stand as they were imported and were not withdrawn, by file name."""
    found = {}
    for name, text in files.items():
        if name != POLICY and name in known and known[name].text == text and text_digest(text) not in withdrawn.records:
            try:
                found[name] = read_record(text, name)
            except BadInput:  # imported by a version that understood it
                continue
    return found


def _grants(name: str, record: Record, entry: Entry, collections: Sequence[Collection], today: date) -> list[Grant]:
    """The record's grants that are in force today."""
    return [
        Grant(
            record=name.removesuffix(".toml"),
            revision=entry.number,
            kind=record.kind,
            uses=grant.uses,
            places=_covered(grant, entry, collections),
        )
        for grant in record.grant
        if holds_on(grant, today)
    ]


def _covered(grant: RecordGrant, entry: Entry, collections: Sequence[Collection]) -> tuple[Place, ...]:
    """What the names of its places mean today; nothing where a collection was pointed elsewhere since."""
    named = (name for name in grant.places if stays(name, entry, collections))
    return tuple(place for name in named for place in places(name, collections))


def holds_on(grant: RecordGrant, today: date) -> bool:
    """Whether the grant's days and season have today. One whose season is unknown never holds."""
    found = season(grant.season)
    return within(today, grant.begins, grant.until) and (not grant.season or (found is not None and found.holds(today)))
