"""Keeps the cached examples in step with the notes: what changed is read again, nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from config.paths import Home
from config.settings import Settings
from jobs.dataset.cache import CuratedFile, ExamplesCache, Remembered, opened
from jobs.dataset.curated import curated_files
from jobs.dataset.generate import material
from jobs.dataset.markdown import read_note
from jobs.dataset.material import GENERATOR_VERSION, Material
from jobs.domain.consent import REVISION, ExcludedFolder, excluded_folders, permitted
from jobs.domain.corpus import Collection, Document, DocumentId, digest
from jobs.domain.errors import BadInput
from jobs.domain.examples import Target
from jobs.ports import Corpus

Report = Callable[[int, int], None]
"""Called with notes done and notes to do."""

_REPORT_EVERY = 100
_TARGETS: tuple[Target, ...] = ("embedding", "expansion")


class Refreshed(Struct, frozen=True, kw_only=True):
    """``documents`` are those given; of them ``excluded`` may not be used and ``unreadable`` could not be read now.

    ``pairs`` and ``expansions`` are what the notes offer before common queries are dropped. ``new_pairs`` and
    ``new_expansions`` came with this refresh, curated lines included.
    """

    documents: int
    regenerated: int
    removed: int
    excluded: int
    unreadable: int
    pairs: int
    expansions: int
    new_pairs: int
    new_expansions: int


class _Tally:
    def __init__(self) -> None:
        self.unreadable = 0
        self.new: dict[Target, int] = dict.fromkeys(_TARGETS, 0)


def refresh(
    corpus: Corpus, documents: Sequence[tuple[DocumentId, str]], home: Home, settings: Settings, report: Report
) -> Refreshed:
    """Brings ``home.examples_cache`` in step with ``documents`` (id, sha256 of the bytes) in one transaction.

    A document that cannot be read now is counted, and nothing of it stays: nobody can tell what it permits.
    """
    folders = consent_folders(settings, corpus.collections())
    revision = _revision(folders)
    tally = _Tally()
    with opened(home.examples_cache) as cache:
        known = cache.known()
        wanted = dict(documents)
        gone = [document for document in known if document not in wanted]
        for document in gone:
            cache.remove(document)
        changed = _changed(wanted, known, revision)
        for done, document in enumerate(changed):
            if done % _REPORT_EVERY == 0:
                report(done, len(changed))
            _regenerate(corpus, document, folders, revision, cache, tally)
        report(len(changed), len(changed))
        _count_curated(home.curated, cache, tally)
        pairs, expansions = cache.totals()
        excluded = sum(bool(remembered.refused) for remembered in cache.known().values())
    return Refreshed(
        documents=len(wanted),
        regenerated=len(changed) - tally.unreadable,
        removed=len(gone),
        excluded=excluded,
        unreadable=tally.unreadable,
        pairs=pairs,
        expansions=expansions,
        new_pairs=tally.new["embedding"],
        new_expansions=tally.new["expansion"],
    )


def consent_folders(settings: Settings, collections: Sequence[Collection]) -> tuple[ExcludedFolder, ...]:
    """The excluded folders of the settings, with ``~`` and links in absolute ones followed as well."""
    configured = [
        form
        for folder in settings.watch.excluded_folders
        for form in ((folder,) if not folder.startswith(("/", "~")) else _forms(folder))
    ]
    places = [*collections]
    for collection in collections:
        real = str(Path(collection.path).resolve())
        if real != collection.path:
            places.append(Collection(name=collection.name, path=real))
    return excluded_folders(tuple(dict.fromkeys(configured)), places)


def _forms(folder: str) -> tuple[str, str]:
    path = Path(folder).expanduser()
    return str(path), str(path.resolve())


def _revision(folders: Iterable[ExcludedFolder]) -> str:
    """Changes with everything but the document itself that decides what is made of it."""
    return digest(
        str(REVISION),
        str(GENERATOR_VERSION),
        *sorted(f"{folder.collection}:{'/'.join(folder.parts)}" for folder in folders),
    )


def _changed(
    wanted: Mapping[DocumentId, str], known: Mapping[DocumentId, Remembered], revision: str
) -> list[DocumentId]:
    return [
        document
        for document, sha256 in wanted.items()
        if (found := known.get(document)) is None or found.sha256 != sha256 or found.revision != revision
    ]


def _regenerate(
    corpus: Corpus,
    document: DocumentId,
    folders: Sequence[ExcludedFolder],
    revision: str,
    cache: ExamplesCache,
    tally: _Tally,
) -> None:
    before = cache.material(document)
    try:
        read = corpus.read(document)
    except BadInput:
        cache.remove(document)
        tally.unreadable += 1
        return
    refused, made = _made(read, folders)
    cache.put(document, Remembered(sha256=read.sha256, revision=revision, refused=refused), made)
    if made:
        tally.new["embedding"] += len(_pair_texts(made) - (_pair_texts(before) if before else set()))
        tally.new["expansion"] += len(set(made.drafts) - set(before.drafts if before else ()))


def _made(document: Document, folders: Sequence[ExcludedFolder]) -> tuple[str, Material | None]:
    note = read_note(document.text)
    permission = permitted(note.front_matter, document.id, folders, "dataset")
    return (permission.reason, None) if not permission.allowed else ("", material(document, note))


def _pair_texts(found: Material) -> set[tuple[str, str]]:
    return {
        (candidate.alone or candidate.joined, found.passages[candidate.passage].text) for candidate in found.candidates
    }


def _count_curated(folder: Path, cache: ExamplesCache, tally: _Tally) -> None:
    """Lines that were added to the curated files since the last refresh."""
    known = cache.curated()
    for target in _TARGETS:
        for file in curated_files(folder, target):
            content = file.read_bytes()
            name, sha256 = f"{target}/{file.name}", hashlib.sha256(content).hexdigest()
            before = known.get(name)
            if before is None or before.sha256 != sha256:
                rows = sum(bool(line.strip()) for line in content.split(b"\n"))
                tally.new[target] += max(0, rows - (before.rows if before else 0))
                cache.put_curated(name, CuratedFile(sha256=sha256, rows=rows))
