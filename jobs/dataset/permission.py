"""What consent leaves of a dataset, and whether it still does: asked when it is built, trained on and deployed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from config.paths import Home
from config.settings import Settings
from jobs.consent.coverage import covered
from jobs.consent.front_matter import RaisingWords, note_said, read_front_matter
from jobs.consent.terms import InForce, ruled_now
from jobs.dataset.curated import Curated, curated_document, curated_file_of, curated_files
from jobs.domain.consent import NoteSaid, Ruling, Terms, Use, ruling
from jobs.domain.corpus import CURATED, DocumentId
from jobs.domain.errors import BadInput
from jobs.domain.examples import DatasetManifest, SourceDocument, Target
from jobs.ports import Corpus

REBUILD = "The next run builds its dataset without them; `iaipctl consent coverage` shows what is out and why"


class RuledFile(Struct, frozen=True, kw_only=True):
    """A curated file as a document: its lines are used only as it may be."""

    id: DocumentId
    sha256: str
    ruling: Ruling


def ruled_files(folder: Path, terms: Terms) -> dict[str, RuledFile]:
    """Every curated file by the name that its rows carry (``embedding/mine.jsonl``)."""
    targets: tuple[Target, ...] = ("embedding", "expansion")
    documents = {curated_document(file): file for target in targets for file in curated_files(folder, target)}
    return {
        document.path: RuledFile(
            id=document,
            sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
            ruling=ruling(document, NoteSaid(), terms),
        )
        for document, file in documents.items()
    }


def allowed_lines(curated: Curated, files: Mapping[str, RuledFile], use: Use) -> Curated:
    """Without the lines of files that may not be put to this use. Each such file is named as a problem."""
    denied = {name: file.ruling.for_use(use).reason for name, file in files.items() if use not in file.ruling.uses}
    pairs = tuple(pair for pair in curated.pairs if pair.file not in denied)
    expansions = tuple(expansion for expansion in curated.expansions if expansion.file not in denied)
    given = {pair.file for pair in curated.pairs} | {expansion.file for expansion in curated.expansions}
    problems = [f"{name}: {denied[name]}, so its lines are not used" for name in sorted(given & set(denied))]
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

    Every document is read again: it may say something else by now. One that is gone is denied, unless it was public:
    then what it last said still counts.
    """
    documents = [source.id for source in manifest.sources]
    now = ruled_now(home, settings, corpus.collections(), documents)
    raising = RaisingWords(now.terms.words)
    denied: Counter[str] = Counter()
    for source in manifest.sources:
        if reason := _denial(source, corpus, raising, now.terms):
            denied[reason] += 1
    return now, dict(denied.most_common())


def in_words(denied: Mapping[str, int]) -> str:
    """``3 documents may no longer be used: 2 sacred, 1 no consent to embed``."""
    number = sum(denied.values())
    reasons = ", ".join(f"{count} {reason}" for reason, count in denied.items())
    return f"{number} document{'s' if number > 1 else ''} may no longer be used: {reasons}"


def _denial(source: SourceDocument, corpus: Corpus, raising: RaisingWords, terms: Terms) -> str:
    document, said = source.id, source.said
    if (file := curated_file_of(document)) is not None:
        document = DocumentId(collection=CURATED, path=file)
    else:
        try:
            text = corpus.read(document).text
        except BadInput:
            if source.classification != "public":
                return "gone, so that nobody can tell"
        else:
            said = note_said(read_front_matter(text)[0], text, raising)
    found = ruling(document, said, terms)
    return next((found.for_use(use).reason for use in source.uses if use not in found.uses), "")


def sources_by_class(sources: Sequence[SourceDocument]) -> dict[str, int]:
    return dict(sorted(Counter(source.classification for source in sources).items()))
