"""What is in, what is out and why: every document ruled on, and what the consents and rules fail to reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from config.paths import Home
from config.settings import Settings
from jobs.consent.files import POLICY
from jobs.consent.front_matter import RaisingWords, note_said, read_front_matter
from jobs.consent.roots import real_collections
from jobs.consent.terms import InForce, in_force
from jobs.domain.consent import NoteSaid, Ruling, Rulings, restricts
from jobs.domain.corpus import CURATED, Collection, DocumentId
from jobs.domain.errors import BadInput
from jobs.domain.places import excluded_folders, holds, lies_in, may_hold, places
from jobs.ports import Corpus


class Covered(Struct, frozen=True, kw_only=True):
    id: DocumentId
    said: NoteSaid
    ruling: Ruling

    @property
    def folder(self) -> str:
        """``collection/folder`` that the document lies in."""
        return str(self.id).rpartition("/")[0]


class Coverage(Struct, frozen=True, kw_only=True):
    """``unreadable`` could not be read now. ``astray`` are places that consents name and nothing lies in; ``idle``
    such that restrictions name: what lay there may lie elsewhere by now, and once edited be restricted no more."""

    documents: tuple[Covered, ...]
    unreadable: int
    astray: tuple[str, ...]
    idle: tuple[str, ...]
    now: InForce

    def classes(self) -> dict[str, tuple[int, int]]:
        """(in, out) by class: in is what may be used for anything."""
        seen = Counter((document.ruling.classification, bool(document.ruling.uses)) for document in self.documents)
        names = dict.fromkeys(name for name, _ in sorted(seen))
        return {name: (seen[name, True], seen[name, False]) for name in names}

    def reasons(self) -> dict[str, int]:
        return dict(Counter(d.ruling.reason for d in self.documents if d.ruling.reason).most_common())

    def uses(self) -> dict[str, int]:
        return dict(Counter(use for document in self.documents for use in document.ruling.uses).most_common())

    def unclassified(self) -> dict[str, int]:
        """Documents that wait for a word, by folder; the fullest first."""
        waiting = (d.folder for d in self.documents if d.ruling.reason == "unclassified")
        return dict(Counter(waiting).most_common())


def covered(corpus: Corpus, documents: Sequence[DocumentId], home: Home, settings: Settings, now: datetime) -> Coverage:
    """Reads every document and rules on it."""
    found = in_force(home, settings, corpus.collections(), documents, now)
    raising = RaisingWords(found.terms.words)
    said: dict[DocumentId, NoteSaid] = {}
    for document in documents:
        try:
            text = corpus.read(document).text
        except BadInput:
            continue
        said[document] = note_said(read_front_matter(text)[0], text, raising)
    return Coverage(
        documents=tuple(ruled(said, found)),
        unreadable=len(documents) - len(said),
        astray=tuple(_astray(found, corpus.collections(), list(said))),
        idle=tuple(_idle(found, settings, corpus.collections(), list(said))),
        now=found,
    )


def ruled(said: dict[DocumentId, NoteSaid], now: InForce) -> list[Covered]:
    rulings = Rulings(now.terms)
    return [Covered(id=document, said=note, ruling=rulings.of(document, note)) for document, note in said.items()]


def _astray(now: InForce, collections: Sequence[Collection], documents: Sequence[DocumentId]) -> list[str]:
    """A consent for a folder that moved covers nothing, and is named here."""
    real = real_collections(collections)
    named = {(name, place) for name, record in now.records.items() for grant in record.grant for place in grant.places}
    return [
        f"{name}: {place}"
        for name, place in sorted(named)
        if not place.startswith(CURATED)
        and not any(holds(found, document) for found in places(place, real) for document in documents)
    ]


def _idle(
    now: InForce, settings: Settings, collections: Sequence[Collection], documents: Sequence[DocumentId]
) -> list[str]:
    """A restriction for a folder that moved restricts nothing but the texts that lay there (displaced.py)."""
    real = real_collections(collections)
    idle = [
        f"{POLICY}: {rule.place}"
        for rule in now.policy
        if restricts(rule.said)
        and not rule.place.startswith(CURATED)
        and not any(may_hold(place, document) for place in places(rule.place, real) for document in documents)
    ]
    return idle + [
        f"excluded_folders: {name}"
        for name in settings.watch.excluded_folders
        if not any(
            lies_in(document, folder)
            for folder in excluded_folders([str(Path(name).expanduser())], real)
            for document in documents
        )
    ]
