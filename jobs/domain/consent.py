"""Which documents may be used for what. One function decides; the most restrictive reading wins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Literal, get_args

import msgspec
from msgspec import Struct

from jobs.domain.corpus import DocumentId, digest
from jobs.domain.places import ExcludedFolder, Place, holds, lies_in, may_hold, may_meet
from jobs.domain.seasons import Season, season
from jobs.domain.withdrawal import Denied

Use = Literal["index", "embed", "expand", "persona", "evaluate", "synthesise", "share"]
"""``index``: see INDEX_MEANS. ``embed``, ``expand``, ``persona``: it trains that model. ``evaluate``: its queries
judge models. ``synthesise``: a model writes queries about it. ``share``: it may leave this machine."""

Classification = Literal["public", "personal", "community", "sacred", "unclassified"]
"""From the freest on; ``unclassified`` is denied like ``sacred``, until somebody says what it is."""

Holder = Literal["person", "community", "authority"]

USES: tuple[Use, ...] = get_args(Use)
INDEX_MEANS = (
    "`index` is written down and bars nothing: QMD's search is its owner's and has every note its collections name"
)
"""What people are told wherever ``index`` is shown or granted. ``embed``, ``expand`` and ``evaluate`` are asked for at
every gate, ``share`` by the bundle; ``persona`` and ``synthesise`` are kept for what nothing here does yet."""
CLASSES = ("public", "personal", "community", "sacred")
CONSENTING: Mapping[str, tuple[Holder, ...]] = {"personal": ("person",), "community": ("community", "authority")}
"""Whose consent a class needs. A document called both needs both."""

REVISION = 5
"""Raised whenever ``ruling``, or what is read from a note, could be otherwise for the same document."""


class Said(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a note, a folder's policy or a rule says, as written. ``unknown``: a part of it was not understood.

    ``consents`` are records that must allow the use as well. None of it can lift what another source says.
    """

    classifications: tuple[str, ...] = ()
    consents: tuple[str, ...] = ()
    seasons: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    attribution: tuple[str, ...] = ()
    exclude: bool = False
    unknown: bool = False


def restricts(said: Said) -> bool:
    """Whether a note about which nobody said this could be used more freely."""
    return set(said.classifications) != {"public"} or bool(said.consents or said.seasons or said.exclude)


class NoteSaid(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that one note's text has to say: its front matter, what words in it raise it to, and which text it is.

    ``sha256`` is that of its bytes: a text that was withdrawn is known again under any name.
    """

    said: Said = Said()
    broken: bool = False
    raised_to: tuple[str, ...] = ()
    sha256: str = ""


class FrontMatter(Struct, frozen=True, kw_only=True):
    """What a note says about itself. ``state`` is ``broken`` when it cannot be read; then the rest is empty."""

    state: Literal["none", "read", "broken"] = "none"
    said: Said = Said()
    title: str = ""
    aliases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class Rule(Struct, frozen=True, kw_only=True):
    """What is said of a place. ``raises_only``: it restricts, but does not classify by itself."""

    place: Place
    said: Said
    source: Literal["policy", "folder policy"]
    raises_only: bool = False


class Grant(Struct, frozen=True, kw_only=True):
    """A grant in force today. ``revision`` is the number of the log entry that brought its record in."""

    record: str
    revision: int
    kind: Holder
    uses: tuple[Use, ...]
    places: tuple[Place, ...]

    def __str__(self) -> str:
        return f"{self.record}@{self.revision}"


class Terms(Struct, frozen=True, kw_only=True):
    """All that decides about documents today, whatever they say themselves.

    ``trusted`` is false when the log is broken: then no consent counts. ``revision`` changes with every policy and
    record, but not with the day.
    """

    rules: tuple[Rule, ...] = ()
    grants: tuple[Grant, ...] = ()
    excluded: tuple[ExcludedFolder, ...] = ()
    seasons: dict[str, tuple[Season, ...]] = {}
    """By folded name; all of a name's must hold."""
    words: tuple[tuple[str, str], ...] = ()
    """(word or phrase, classification): a text with it is raised to that."""
    displaced: dict[str, tuple[Said, ...]] = {}
    """Text, by SHA-256 → what rules say of a place where it lay and where nothing lies now. It can only restrict."""
    withdrawn: Denied = Denied()
    """What was taken back for good, as strict as ``sacred``. (Ended records have given no grants already.)"""
    today: date
    trusted: bool = True
    revision: str = ""

    @property
    def reading(self) -> str:
        """Names how a note's text is read: in the same reading the same text says the same."""
        return digest(str(REVISION), repr(self.words))


class Permission(Struct, frozen=True, kw_only=True):
    """``reason`` says in words why not; it is empty when ``allowed``."""

    allowed: bool
    reason: str = ""


class Ruling(Struct, frozen=True, kw_only=True):
    """What a document is and may be used for. ``reason`` is why it may be used for nothing.

    ``consents`` are the grants that allow it, as ``record@revision``; none for public documents. ``attribution``:
    whom to name wherever something is made of it.
    """

    classification: Classification
    uses: tuple[Use, ...] = ()
    consents: tuple[str, ...] = ()
    attribution: tuple[str, ...] = ()
    reason: str = ""

    def for_use(self, use: Use) -> Permission:
        if use in self.uses:
            return Permission(allowed=True)
        return Permission(allowed=False, reason=self.reason or f"no consent to {use}")


def ruling(document: DocumentId, note: NoteSaid, terms: Terms) -> Ruling:
    """What the document is and what for it may be used today. Whatever is not understood denies."""
    rules = [rule for rule in terms.rules if may_hold(rule.place, document)]
    everything = [note.said, *(rule.said for rule in rules), *terms.displaced.get(note.sha256, ())]
    named = {word for said in everything for word in said.classifications} | set(note.raised_to)
    firm = set(note.said.classifications)
    for rule in rules:
        if not rule.raises_only and holds(rule.place, document):
            firm.update(rule.said.classifications)
    classification = _strictest(named) if firm else "sacred" if "sacred" in named else "unclassified"
    reason = next(_denials(document, note, everything, named, terms), "") or ("" if firm else "unclassified")
    if terms.withdrawn.denies(document, note.sha256):
        reason = "withdrawn"
    if reason:
        return Ruling(classification=classification, reason=reason)
    return _consented(document, classification, named, everything, terms)


class Rulings:
    """``ruling`` under the terms of one moment, for many documents: what speaks of other folders is asked of none."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._by_folder: dict[tuple[str, str], Terms] = {}

    def of(self, document: DocumentId, note: NoteSaid) -> Ruling:
        folder = (document.collection, document.path.rpartition("/")[0])
        if folder not in self._by_folder:
            self._by_folder[folder] = self._of_folder(*folder)
        return ruling(document, note, self._by_folder[folder])

    def _of_folder(self, collection: str, folder: str) -> Terms:
        rules = (rule for rule in self._terms.rules if may_meet(rule.place, collection, folder))
        grants = (one for one in self._terms.grants if any(may_meet(place, collection, folder) for place in one.places))
        return msgspec.structs.replace(self._terms, rules=tuple(rules), grants=tuple(grants))


def mixed(parts: Sequence[Ruling]) -> Ruling:
    """What is made of several documents: the strictest class, the uses they share, every consent."""
    return Ruling(
        classification=strictest([part.classification for part in parts]),
        uses=tuple(use for use in USES if all(use in part.uses for part in parts)),
        consents=tuple(sorted({consent for part in parts for consent in part.consents})),
        attribution=tuple(sorted({name for part in parts for name in part.attribution})),
        reason=next((part.reason for part in parts if part.reason), ""),
    )


def strictest(classes: Sequence[Classification]) -> Classification:
    """The strictest of some classes; ``unclassified`` is as strict as ``sacred`` and gives way to its name."""
    order: tuple[Classification, ...] = ("sacred", "unclassified", "community", "personal", "public")
    return next((one for one in order if one in classes), "unclassified")


def _denials(
    document: DocumentId, note: NoteSaid, everything: Sequence[Said], named: set[str], terms: Terms
) -> Iterator[str]:
    """Every reason that no consent can lift, the most telling first."""
    if "sacred" in named:
        yield "sacred"
    if any(lies_in(document, folder) for folder in terms.excluded):
        yield "excluded folder"
    if any(said.exclude for said in everything):
        yield "iaip: exclude"
    if note.broken:
        yield "unreadable front matter"
    if any(said.unknown for said in everything):
        yield "iaip mark or policy not understood"
    if named - set(CLASSES):
        yield "unknown classification"
    for text in sorted({text for said in everything for text in said.seasons}):
        written = season(text)
        found = terms.seasons.get(text.casefold(), (written,) if written else ())
        if not found:
            yield "season not understood"
        elif not all(one.holds(terms.today) for one in found):
            yield "out of season"


def _strictest(named: set[str]) -> Classification:
    known: dict[str, Classification] = {"public": "public", "personal": "personal", "community": "community"}
    if "sacred" in named:
        return "sacred"
    return strictest([known.get(word, "unclassified") for word in named])


def _consented(
    document: DocumentId, classification: Classification, named: set[str], everything: Sequence[Said], terms: Terms
) -> Ruling:
    """What consents leave of the uses, for a document that nothing else denies."""
    demands = [
        (f"no consent of a {CONSENTING[word][0]}", CONSENTING[word], "") for word in sorted(named) if word in CONSENTING
    ]
    records = {record for said in everything for record in said.consents}
    demands += [(f"no consent {record}", ("person", "community", "authority"), record) for record in sorted(records)]
    if demands and not terms.trusted:
        return Ruling(classification=classification, reason="the consent log is broken")
    covering = [grant for grant in terms.grants if any(holds(place, document) for place in grant.places)]
    uses = set(USES)
    consents: set[str] = set()
    for lack, kinds, record in demands:
        giving = [grant for grant in covering if grant.kind in kinds and record in ("", grant.record)]
        uses &= {use for grant in giving for use in grant.uses}
        consents.update(str(grant) for grant in giving)
        if not uses:
            return Ruling(classification=classification, reason=lack)
    return Ruling(
        classification=classification,
        uses=tuple(use for use in USES if use in uses),
        consents=tuple(sorted(consents)),
        attribution=tuple(sorted({name for said in everything for name in said.attribution})),
    )
