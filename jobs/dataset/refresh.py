"""Keeps the cached examples in step with the notes: what changed is read again, nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from msgspec import Struct

from config.paths import Home
from config.settings import Settings
from jobs.consent.displaced import note_displaced
from jobs.consent.front_matter import RaisingWords, note_said
from jobs.consent.policy import written_rules
from jobs.consent.roots import real_collections
from jobs.consent.terms import InForce, ruled_now
from jobs.dataset.cache import CuratedFile, ExamplesCache, Remembered, opened
from jobs.dataset.curated import curated_contents, curated_document
from jobs.dataset.generate import material
from jobs.dataset.markdown import read_note
from jobs.dataset.material import GENERATOR_VERSION, Material
from jobs.domain.consent import NoteSaid, Ruling, Rulings, Terms, Use, restricts
from jobs.domain.corpus import CURATED, DocumentId, digest
from jobs.domain.corpus import Collection as Folder
from jobs.domain.errors import BadInput
from jobs.domain.examples import Target
from jobs.domain.places import lies_in, may_hold
from jobs.keys import Keys
from jobs.ports import Corpus, TokenCounter

Report = Callable[[int, int], None]
"""Called with notes done and notes to do."""

_REPORT_EVERY = 100
_TARGETS: tuple[Target, ...] = ("embedding", "expansion")
TARGET_USES: Mapping[Target, Use] = {"embedding": "embed", "expansion": "expand"}
"""The use a document must be permitted for to train a target."""


class Refreshed(Struct, frozen=True, kw_only=True):
    """``documents`` are those given; of them ``excluded`` may not be used and ``unreadable`` could not be read now.

    ``denied`` counts the excluded by reason. ``idle`` are restrictions that hold no document.

    ``pairs`` and ``expansions`` are what the notes offer before common queries are dropped. ``new_pairs`` and
    ``new_expansions`` came with this refresh, curated lines included.
    """

    documents: int
    regenerated: int
    removed: int
    excluded: int
    denied: dict[str, int] = {}
    idle: tuple[str, ...] = ()
    unreadable: int
    pairs: int
    expansions: int
    new_pairs: int
    new_expansions: int


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What examples are made from: ``documents`` (id, sha256 of the bytes) of ``corpus``, under ``home``'s consent.

    Without ``tokens`` passages are cut by their length alone. ``keys`` seal what is not public.
    """

    corpus: Corpus
    documents: Sequence[tuple[DocumentId, str]]
    home: Home
    settings: Settings
    keys: Keys
    tokens: TokenCounter | None = None


def refresh(inputs: Inputs, report: Report) -> Refreshed:
    """Brings ``home.examples_cache`` in step with the documents and today's consent.

    A document that cannot be read now is counted, and nothing of it stays: nobody can tell what it permits.
    """
    return refresh_under(ruled_anew(inputs), inputs, report)


def ruled_anew(inputs: Inputs) -> InForce:
    """What is in force for the documents, those included that left a restricted place since the last refresh."""
    here = [document for document, _ in inputs.documents]
    note_moves(inputs.corpus.collections(), here, inputs.home, inputs.keys)
    return ruled_now(inputs.home, inputs.settings, inputs.corpus.collections(), here)


def note_moves(collections: Sequence[Folder], here: Collection[DocumentId], home: Home, keys: Keys) -> None:
    """What left a restricted place since the last refresh: to be noted before that is forgotten, or ruled on."""
    if home.examples_cache.exists():
        with opened(home.examples_cache, keys) as cache:
            before = cache.texts()
        real = real_collections(collections)
        note_displaced(home.consent, written_rules(home.consent, real), real, before, set(here))


def refresh_under(now: InForce, inputs: Inputs, report: Report) -> Refreshed:
    """The same under terms of ``ruled_anew``, in one transaction."""
    home, desk = inputs.home, _Desk(now.terms, inputs.tokens)
    with opened(home.examples_cache, inputs.keys) as cache:
        known = cache.known()
        wanted = dict(inputs.documents)
        gone = [document for document in known if document not in wanted]
        for document in gone:
            cache.remove(document)
        changed = _changed(wanted, known, desk.reading)
        if any(remembered.decided != desk.decided for remembered in known.values()):
            changed += _rule_again(cache, desk, set(changed))
        for done, document in enumerate(changed):
            if done % _REPORT_EVERY == 0:
                report(done, len(changed))
            _regenerate(inputs.corpus, document, cache, desk)
        report(len(changed), len(changed))
        _count_curated(home.curated, cache, desk)
        pairs, expansions = cache.totals()
        denied = cache.refusals()
    return Refreshed(
        documents=len(wanted),
        regenerated=len(changed) - desk.unreadable,
        removed=len(gone),
        excluded=sum(denied.values()),
        denied=denied,
        idle=_idle(now.terms, wanted),
        unreadable=desk.unreadable,
        pairs=pairs,
        expansions=expansions,
        new_pairs=desk.new["embedding"],
        new_expansions=desk.new["expansion"],
    )


def _idle(terms: Terms, documents: Collection[DocumentId]) -> tuple[str, ...]:
    """Every restriction of the steward's that restricts nothing, by the digest of its place: a name is not told."""
    tests: dict[str, Callable[[DocumentId], bool]] = {
        digest(str(rule.place)): partial(may_hold, rule.place)
        for rule in terms.rules
        if rule.source == "policy" and restricts(rule.said) and rule.place.collection != CURATED
    }
    tests |= {digest(repr(folder)): partial(lies_in, folder=folder) for folder in terms.excluded}
    return tuple(sorted(name for name, test in tests.items() if not any(map(test, documents))))


class _Desk:
    """What one refresh works with, and what it counts."""

    def __init__(self, terms: Terms, tokens: TokenCounter | None) -> None:
        self.rulings = Rulings(terms)
        self.count_tokens = tokens.count if tokens else None
        self.raising = RaisingWords(terms.words)
        self.reading = digest(str(GENERATOR_VERSION), terms.reading, tokens.digest if tokens else "")
        self.decided = digest(terms.revision, terms.today.isoformat())
        self.unreadable = 0
        self.new: dict[Target, int] = dict.fromkeys(_TARGETS, 0)


def _changed(
    wanted: Mapping[DocumentId, str], known: Mapping[DocumentId, Remembered], reading: str
) -> list[DocumentId]:
    return [
        document
        for document, sha256 in wanted.items()
        if (found := known.get(document)) is None
        or found.sha256 != sha256
        or found.reading != reading
        or not found.readable
    ]


def _rule_again(cache: ExamplesCache, desk: _Desk, changed: set[DocumentId]) -> list[DocumentId]:
    """Rules on every other document by what it said when it was read; returns those that are allowed only now."""
    allowed = []
    for document, said in cache.said().items():
        if document in changed:
            continue
        found = desk.rulings.of(document, said)
        made = cache.put_ruling(document, desk.decided, found, refused=refusal(found))
        if not refusal(found) and not made:
            allowed.append(document)
    return allowed


def refusal(found: Ruling) -> str:
    """Why nothing may be made of a document; empty if something may."""
    if any(use in found.uses for use in TARGET_USES.values()):
        return ""
    return found.reason or "no consent to train with it"


def _regenerate(corpus: Corpus, document: DocumentId, cache: ExamplesCache, desk: _Desk) -> None:
    before = cache.material(document)
    try:
        read = corpus.read(document)
    except BadInput:
        cache.remove(document)
        desk.unreadable += 1
        return
    note = read_note(read.text)
    said = note_said(note.front_matter, read.text, desk.raising)
    found = desk.rulings.of(document, said)
    remembered = Remembered(sha256=read.sha256, reading=desk.reading, decided=desk.decided, refused=refusal(found))
    made = None if remembered.refused else material(read, note, desk.count_tokens)
    cache.put(document, remembered, said, found, made)
    if made:
        desk.new["embedding"] += len(_pair_texts(made) - (_pair_texts(before) if before else set()))
        desk.new["expansion"] += len(set(made.drafts) - set(before.drafts if before else ()))


def _pair_texts(found: Material) -> set[tuple[str, str]]:
    return {
        (candidate.alone or candidate.joined, found.passages[candidate.passage].text) for candidate in found.candidates
    }


def _count_curated(folder: Path, cache: ExamplesCache, desk: _Desk) -> None:
    """Lines that were added to the curated files since the last refresh."""
    known = cache.curated()
    for target in _TARGETS:
        for file, content in curated_contents(folder, target):
            if TARGET_USES[target] not in desk.rulings.of(curated_document(file), NoteSaid()).uses:
                continue
            name, sha256 = f"{target}/{file.name}", hashlib.sha256(content).hexdigest()
            before = known.get(name)
            if before is None or before.sha256 != sha256:
                rows = sum(bool(line.strip()) for line in content.split(b"\n"))
                desk.new[target] += max(0, rows - (before.rows if before else 0))
                cache.put_curated(name, CuratedFile(sha256=sha256, rows=rows))
