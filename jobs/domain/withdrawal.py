"""Taking material back for good: what a withdrawal asks, what it denies, and what becomes of each thing made of it.

Values and rules only. A denial by withdrawal is by name (whatever its spelling), and by content: a note that was
renamed is the same note. A record that was withdrawn never counts again in the same words; a new agreement is
another text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

from jobs.domain.consent_log import Chain
from jobs.domain.corpus import CURATED, DocumentId, text_digest
from jobs.domain.places import folded_parts
from jobs.domain.retention import ADOPTED

What = Literal["document", "consent", "person"]
Step = Literal[
    "stopped", "found", "jobs", "examples", "datasets", "stages", "releases", "indexes", "evaluation", "ledger", "logs",
    "keys", "retrained", "verified", "told",
]  # fmt: skip
"""In their order. ``stopped`` is all that happens at once; each of the others may be done again after a crash."""

STEPS: tuple[Step, ...] = get_args(Step)
TOMBSTONE = "(withdrawn)"
"""Stands where a name or a text was."""

LONG_ENOUGH = 8
"""Characters that a text needs to be looked for inside others; a shorter one is only looked for as a whole."""


class EndedRecord(Struct, frozen=True, kw_only=True):
    """A consent that ended: its file's name without ``.toml``, and the SHA-256 of its words."""

    record: str
    sha256: str


class Withdrawal(Struct, frozen=True, kw_only=True):
    """``consent/withdrawals/<id>.json``: written before anything is done, and again after every step.

    ``documents`` and ``contents`` are the material, ``contents`` by the SHA-256 of the bytes. For a document they
    are ``denied`` for good; for a consent they are what it had allowed and nothing else allows now.
    ``releases`` stopped, and ``targets`` are what they had learnt from the material.
    """

    schema: Literal["iaip.withdrawal/1"] = "iaip.withdrawal/1"
    id: str
    asked_at: datetime
    by: str
    what: What
    name: str
    documents: tuple[DocumentId, ...] = ()
    contents: tuple[str, ...] = ()
    denied: bool = False
    records: tuple[EndedRecord, ...] = ()
    live_before: str | None = None
    live: str | None = None
    releases: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    done: tuple[Step, ...] = ()
    counts: dict[str, int] = {}
    """What the steps did, in numbers."""
    strings: tuple[int, int] = (0, 0)
    """How many distinctive strings of how many documents were looked for."""
    found_again: tuple[str, ...] = ()
    """What still held some of the material when it was looked for: empty when the absence was verified."""
    lineage_left: tuple[str, ...] = ()
    """What of that still derived from it by what is recorded."""
    strings_digest: str = ""
    searched: tuple[int, int] = (0, 0)
    """In how many files and bytes the strings were looked for."""
    models: tuple[str, ...] = ()
    """Models that were exported and never released, by file name."""
    runs: tuple[int, ...] = ()
    """The runs that learn anew without it."""

    @property
    def open(self) -> bool:
        return any(step not in self.done for step in STEPS)

    def steps_left(self) -> list[Step]:
        return [step for step in STEPS if step not in self.done]

    def next_step(self) -> Step | None:
        return next((step for step in STEPS if step not in self.done), None)

    def after(self, step: Step, **changes: Any) -> Withdrawal:
        """With the step done. A step that is done again is counted once."""
        counts = {**self.counts, **changes.pop("counts", {})}
        done = tuple(known for known in STEPS if known in (*self.done, step))
        return msgspec.structs.replace(self, done=done, counts=counts, **changes)

    @property
    def consents(self) -> frozenset[str]:
        return frozenset(ended.record for ended in self.records)


class Forgotten(Struct, frozen=True, kw_only=True):
    """How much a search index held of some material: entries, texts, vectors, and cached answers of models."""

    documents: int = 0
    texts: int = 0
    vectors: int = 0
    answers: int = 0


class Denied(Struct, frozen=True, kw_only=True):
    """All that withdrawals deny: documents by ``name_key``, texts and records by the SHA-256 of their bytes."""

    documents: frozenset[str] = frozenset()
    contents: frozenset[str] = frozenset()
    records: frozenset[str] = frozenset()

    def denies(self, document: DocumentId, sha256: str) -> bool:
        return sha256 in self.contents or (bool(self.documents) and name_key(document) in self.documents)


class Holding(Struct, frozen=True, kw_only=True):
    """That something holds a document: which, which text of it, and the consents (``record@revision``) it stood on."""

    id: DocumentId
    sha256: str
    consents: tuple[str, ...] = ()


class Meant:
    """What a withdrawal takes back, made once and asked of every holding."""

    def __init__(self, one: Withdrawal) -> None:
        self._names = frozenset(map(name_key, one.documents))
        self._contents = frozenset(one.contents)
        self._consents = one.consents

    def holds(self, holding: Holding) -> bool:
        """By name in any spelling, by content, or by a consent that ended; a curated file stands for its texts too."""
        if holding.sha256 in self._contents:
            return True
        if any(consent.partition("@")[0] in self._consents for consent in holding.consents):
            return True
        return bool(self._names) and not self._names.isdisjoint(_names_of(holding.id))


def name_key(document: DocumentId) -> str:
    """The same for every spelling that some file system takes for one name."""
    return "/".join((*folded_parts(document.collection), *folded_parts(document.path)))


def _names_of(document: DocumentId) -> tuple[str, ...]:
    if document.collection != CURATED:
        return (name_key(document),)
    file = DocumentId(collection=CURATED, path=document.path.partition("#")[0])
    return name_key(document), name_key(file)


def denied_by(chain: Chain, withdrawals: Iterable[Withdrawal]) -> Denied:
    """By the sealed log and by what was asked: either is enough, so neither a broken log nor a crash lifts it."""
    documents: set[str] = set()
    contents: set[str] = set()
    records: set[str] = set()
    for entry in chain.entries:
        if entry.action == "withdraw":
            documents.update(msgspec.json.decode(entry.detail.get("names", "[]"), type=tuple[str, ...]))
            contents.update(entry.detail.get("contents", "").split())
            records.update(entry.detail.get("record", "").split())
    for asked in withdrawals:
        records.update(ended.sha256 for ended in asked.records)
        if asked.denied:
            documents.update(map(name_key, asked.documents))
            contents.update(asked.contents)
    return Denied(documents=frozenset(documents), contents=frozenset(contents), records=frozenset(records))


def ended_grants(chain: Chain, denied: Denied) -> frozenset[str]:
    """Every ``record@revision`` that was withdrawn: with a record's words go all that it said before."""
    last: dict[str, int] = {}
    imports = [entry for entry in chain.entries if entry.action == "import"]
    for entry in imports if denied.records else ():
        if text_digest(entry.text) in denied.records:
            last[entry.subject] = entry.number
    return frozenset(
        f"{entry.subject.removesuffix('.toml')}@{entry.number}"
        for entry in imports
        if entry.number <= last.get(entry.subject, 0)
    )


def entries_to_seal(asked: Withdrawal, chain: Chain) -> list[tuple[str, dict[str, str]]]:
    """(subject, detail) of every entry that the log still lacks for this withdrawal."""
    wanted = [(f"{ended.record}.toml", {"id": asked.id, "record": ended.sha256}) for ended in asked.records]
    if asked.denied:
        names = msgspec.json.encode(sorted(set(map(name_key, asked.documents)))).decode()
        detail = {"id": asked.id, "names": names, "contents": " ".join(asked.contents)}
        wanted.append((TOMBSTONE, detail))
    there = [(entry.subject, entry.detail) for entry in chain.entries if entry.action == "withdraw"]
    return [entry for entry in wanted if entry not in there]


def goes_live(live: str, stopping: Collection[str], before: Iterable[str], fit: Callable[[str], bool]) -> str | None:
    """What is live once some releases stopped: the live one if it may stay, else the newest before it that may.

    ``before``: what was live before, the newest first. The owner's own files (``v0``) go live even if they are not
    fit, before nothing does. None: there is nothing that could.
    """
    if live not in stopping:
        return live
    left = [name for name in before if name not in stopping]
    return next(filter(fit, left), ADOPTED if ADOPTED in left else None)


def tombstoned(value: Any, words: AbstractSet[str]) -> Any:
    """A JSON value with these names and texts gone, also from inside sentences, and every figure kept."""
    if isinstance(value, Mapping):
        found: dict[str, Any] = {}
        for key, inner in value.items():
            name = redacted(key, words)
            found[name if name not in found else f"{name} {len(found) + 1}"] = tombstoned(inner, words)
        return found
    if isinstance(value, list):
        return [tombstoned(inner, words) for inner in value]
    return redacted(value, words) if isinstance(value, str) else value


def redacted(text: str, words: AbstractSet[str]) -> str:
    """Without the words; one shorter than ``LONG_ENOUGH`` only where it is all of the text."""
    if text in words:
        return TOMBSTONE
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= LONG_ENOUGH:
            text = text.replace(word, TOMBSTONE)
    return text


def query_texts(value: Any, names: AbstractSet[str]) -> set[str]:
    """The texts of all judged queries in a JSON value that the named documents answer."""
    if isinstance(value, Mapping):
        found = {text for inner in value.values() for text in query_texts(inner, names)}
        relevant, text = value.get("relevant"), value.get("text")
        if isinstance(relevant, Mapping) and isinstance(text, str) and text and not names.isdisjoint(relevant):
            found.add(text)
        return found
    if isinstance(value, list):
        return {text for inner in value for text in query_texts(inner, names)}
    return set()
