"""What consent leaves of a dataset, and whether it still does: asked when it is built, trained on and deployed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from config.paths import Home
from config.settings import Settings
from jobs.consent.coverage import covered
from jobs.consent.front_matter import RaisingWords, note_said, read_front_matter
from jobs.consent.terms import InForce, ruled_now
from jobs.dataset.curated import Curated, curated_contents, curated_document, curated_file_of
from jobs.domain.consent import NoteSaid, Ruling, Rulings, Said, Terms, Use, ruling
from jobs.domain.corpus import CURATED, DocumentId
from jobs.domain.errors import BadInput
from jobs.domain.examples import DatasetManifest, SourceDocument, Target
from jobs.domain.lineage import Provenance, Source
from jobs.domain.withdrawal import ended_grants
from jobs.ports import Corpus

REBUILD = "The next run builds its dataset without them; `iaipctl consent coverage` shows what is out and why"


class RuledFile(Struct, frozen=True, kw_only=True):
    """A curated file as a document: its lines are used only as it may be."""

    id: DocumentId
    sha256: str
    ruling: Ruling


def ruled_files(folder: Path, terms: Terms) -> dict[str, RuledFile]:
    """Every curated file that can be read, by the name that its rows carry (``embedding/mine.jsonl``)."""
    targets: tuple[Target, ...] = ("embedding", "expansion")
    contents = (found for target in targets for found in curated_contents(folder, target))
    return {
        (document := curated_document(file)).path: RuledFile(
            id=document,
            sha256=hashlib.sha256(content).hexdigest(),
            ruling=ruling(document, NoteSaid(), terms),
        )
        for file, content in contents
    }


def allowed_lines(curated: Curated, files: Mapping[str, RuledFile], use: Use) -> Curated:
    """Without the lines of files that may not be put to this use. Each such file is named as a problem."""
    denied = {name: file.ruling.for_use(use).reason for name, file in files.items() if use not in file.ruling.uses}
    allowed = files.keys() - denied.keys()
    pairs = tuple(pair for pair in curated.pairs if pair.file in allowed)
    expansions = tuple(expansion for expansion in curated.expansions if expansion.file in allowed)
    given = {pair.file for pair in curated.pairs} | {expansion.file for expansion in curated.expansions}
    problems = [
        f"{name}: {denied.get(name, 'it could not be read for a moment')}, so its lines are not used"
        for name in sorted(given - allowed)
    ]
    return Curated(pairs=pairs, expansions=expansions, problems=(*curated.problems, *problems))


def every_note_is_public(
    corpus: Corpus, documents: Sequence[DocumentId], home: Home, settings: Settings, now: datetime
) -> bool:
    """Whether every note can be read, is public and denied for no reason, and every curated file likewise.

    Reads all of them, so it is asked only where a job cannot be kept from the network.
    """
    found = covered(corpus, documents, home, settings, now)
    files = ruled_files(home.curated, found.now.terms).values()
    rulings = [*(document.ruling for document in found.documents), *(file.ruling for file in files)]
    return not found.unreadable and all(
        one.classification == "public" and not (one.reason or one.consents) for one in rulings
    )


def no_longer_permitted(
    manifest: DatasetManifest, corpus: Corpus, home: Home, settings: Settings
) -> tuple[InForce, dict[str, int]]:
    """What is in force now, and how many of the dataset's documents it denies, by reason; empty when all may be used.

    Every document that changed is read again: it may say something else by now. One that is gone is denied, unless it
    was public: then what it last said still counts.
    """
    now = ruled_now(home, settings, corpus.collections(), [one.id for one in manifest.sources])
    reading, same = _Reading(corpus, now, {}), manifest.reading == now.terms.reading

    def reason(source: SourceDocument) -> str:
        said = reading.says(source, source.said if same else None)
        if said is None and source.classification != "public":
            return "gone, so that nobody can tell"
        return reading.denial(source, said or source.said)

    return now, _counted(map(reason, manifest.sources))


def denied_of(
    records: Sequence[Provenance], corpus: Corpus, home: Home, settings: Settings, today: Mapping[DocumentId, str]
) -> dict[str, int]:
    """The same of documents that models were made from, when they were made: of one that is gone what it last said.

    ``today``: the SHA-256 of documents as they are now, so that those which did not change need not be read.
    """
    documents = [source.id for record in records for source in record.sources]
    now = ruled_now(home, settings, corpus.collections(), documents)
    reading, found = _Reading(corpus, now, today), dict[DocumentId, str]()
    for record in records:
        same = record.reading == now.terms.reading
        for source in record.sources:
            said = reading.says(source, _written_down(source) if same else None)
            if reason := reading.denial(source, said or _last_said(source)):
                found[source.id] = reason
    return _counted(found.values())


def in_words(denied: Mapping[str, int]) -> str:
    """``3 documents may no longer be used: 2 sacred, 1 no consent to embed``."""
    number = sum(denied.values())
    reasons = ", ".join(f"{count} {reason}" for reason, count in denied.items())
    return f"{number} document{'s' if number > 1 else ''} may no longer be used: {reasons}"


class _Reading:
    """Sources asked about under the terms of one moment."""

    def __init__(self, corpus: Corpus, now: InForce, today: Mapping[DocumentId, str]) -> None:
        self._corpus = corpus
        self._terms = now.terms
        self._ended = ended_grants(now.chain, now.terms.withdrawn)
        self._raising = RaisingWords(now.terms.words)
        self._today = today
        self._rulings = Rulings(now.terms)

    def says(self, source: SourceDocument | Source, then: NoteSaid | None) -> NoteSaid | None:
        """What the document says today; none if it is gone. (A curated line says nothing, its file is asked.)

        ``then``: what it said when it was used, if it is still read as it was then.
        """
        if curated_file_of(source.id) is not None:
            return NoteSaid()
        if then is not None and self._today.get(source.id) == source.sha256:
            return then
        try:
            read = self._corpus.read(source.id)
        except BadInput:
            return None
        if then is not None and read.sha256 == source.sha256:
            return then
        return note_said(read_front_matter(read.text)[0], read.text, self._raising)

    def denial(self, source: SourceDocument | Source, said: NoteSaid) -> str:
        if not self._ended.isdisjoint(source.consents):
            return "withdrawn"
        if self._terms.withdrawn.denies(source.id, source.sha256):
            return "withdrawn"
        file = curated_file_of(source.id)
        document = source.id if file is None else DocumentId(collection=CURATED, path=file)
        found = self._rulings.of(document, said)
        return next((found.for_use(use).reason for use in source.uses if use not in found.uses), "")


def _written_down(source: Source) -> NoteSaid | None:
    return None if source.said is None else msgspec.structs.replace(source.said, sha256=source.sha256)


def _last_said(source: Source) -> NoteSaid:
    """Where that was not written down, what it was taken for stands for it."""
    taken_for = NoteSaid(said=Said(classifications=(source.classification,)), sha256=source.sha256)
    return _written_down(source) or taken_for


def _counted(reasons: Iterable[str]) -> dict[str, int]:
    return dict(Counter(reason for reason in reasons if reason).most_common())


def sources_by_class(sources: Sequence[SourceDocument]) -> dict[str, int]:
    return dict(sorted(Counter(source.classification for source in sources).items()))
