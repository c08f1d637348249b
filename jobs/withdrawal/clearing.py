"""What was made of withdrawn material, found and removed: each function may be done again after a crash."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from config.paths import Home
from config.settings import Settings
from jobs.consent.front_matter import RaisingWords, note_said, read_front_matter
from jobs.consent.terms import in_force
from jobs.dataset.cache import compacted, opened
from jobs.domain.artifacts import ExportedModel, LiveModel
from jobs.domain.consent import ruling
from jobs.domain.corpus import CURATED, DocumentId
from jobs.domain.errors import BadInput, Refused
from jobs.domain.examples import DatasetManifest, KnownDocument, SourceDocument
from jobs.domain.lineage import Source, sources_in
from jobs.domain.withdrawal import Forgotten, Holding, Meant, Withdrawal, tombstoned
from jobs.keys import KeyDestroyed, Keys
from jobs.lineage import read_lineage
from jobs.ports import Corpus
from jobs.publish import remove_directory, remove_file, write_file
from jobs.release_withdrawal import buried, bury
from jobs.releases import Releases
from jobs.sealing import Sealing, sealed_under
from jobs.withdrawal.stopping import material_of
from jobs.withdrawal.traces import evenly
from jobs.workshop import RESULT, RUN_MARK


class Indexes(Protocol):
    """How search indexes forget."""

    def forget(self, index: Path, documents: Collection[DocumentId], contents: Collection[str]) -> Forgotten: ...

    def still_holds(self, index: Path, documents: Collection[DocumentId], contents: Collection[str]) -> bool: ...

    def texts_in(self, index: Path, contents: Collection[str]) -> dict[str, str]: ...

    def contents_of(self, index: Path, documents: Collection[DocumentId]) -> set[str]: ...

    def ignoring(self, text: str, documents: Iterable[DocumentId]) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Grounds:
    """Where a withdrawal clears."""

    home: Home
    settings: Settings
    releases: Releases
    corpus: Corpus
    indexes: Indexes
    keys: Keys


def found(one: Withdrawal, grounds: Grounds, now: datetime) -> tuple[tuple[DocumentId, ...], tuple[str, ...]]:
    """Every document and content that is withdrawn, as all that is kept of them tells.

    For a consent: what stood on it and may not be used for anything now. A document that something else allows
    stays where it is; what was learnt from it under this consent goes all the same.
    """
    met = list(filter(Meant(one).holds, _holdings(one, grounds)))
    documents = {*one.documents, *(holding.id for holding in met if holding.id.collection != CURATED)}
    if not one.denied:
        documents = set(_denied_now(documents, grounds, now))
    contents = {holding.sha256 for holding in met if holding.id in documents} | set(one.contents)
    for index in index_files(grounds):
        contents |= grounds.indexes.contents_of(index, documents)
    return tuple(sorted(documents)), tuple(sorted(contents - {""}))


def texts_of(one: Withdrawal, grounds: Grounds, most: int) -> dict[str, str]:
    """Withdrawn texts that can still be read, by their SHA-256, ``most`` of them, to look for them afterwards."""
    texts: dict[str, str] = {}
    for document in evenly(one.documents, most):
        with suppress(BadInput):
            read = grounds.corpus.read(document)
            texts[read.sha256] = read.text
    missing = set(evenly(one.contents, most)) - texts.keys()
    for index in index_files(grounds) if missing else ():
        texts.update(grounds.indexes.texts_in(index, missing))
        missing -= texts.keys()
    return texts


def clear_examples(one: Withdrawal, grounds: Grounds) -> int:
    if not (path := grounds.home.examples_cache).exists():
        return 0
    meant = Meant(one)
    with opened(path, grounds.keys) as cache:
        going = [holding.id for holding in cache.holdings() if meant.holds(holding)]
        for document in going:
            cache.remove(document)
    compacted(path)
    return len(going)


def touched_datasets(one: Withdrawal, home: Home) -> frozenset[str]:
    """The datasets that hold some of it, and those of which nobody can tell."""
    meant = Meant(one)
    return frozenset(path.name for path in _entries(home.datasets) if _touched(meant, path))


def clear_datasets(names: Collection[str], home: Home) -> int:
    for name in names:
        remove_directory(home.datasets / name)
    return len(names)


def clear_known_documents(one: Withdrawal, grounds: Grounds) -> None:
    """Out of the lists of documents that other datasets may ask for. A sealed one stays sealed as it was."""
    meant, work = Meant(one), Sealing(grounds.keys)
    for path in (entry / "documents.jsonl" for entry in _entries(grounds.home.datasets)):
        with suppress(OSError, msgspec.DecodeError, BadInput, KeyDestroyed):
            content = path.read_bytes()
            known = _known(content, work)
            kept = [line for line in known if not meant.holds(_holding(line))]
            if len(kept) < len(known):
                lines = b"".join(msgspec.json.encode(line) + b"\n" for line in kept)
                write_file(path, work.sealed(lines, sealed_under(content)))


def stages_of(runs: Collection[int], home: Home) -> list[Path]:
    """The directories that the runs worked in."""
    marks = {f"{RUN_MARK}{run}" for run in runs}
    return [path for path in _entries(home.stages) if path.is_dir() and any((path / mark).exists() for mark in marks)]


def models_of(stages: Iterable[Path]) -> set[str]:
    """The file names of the models that exports among the stages made."""
    names = set()
    for path in stages:
        with suppress(OSError, msgspec.DecodeError):
            exported = msgspec.json.decode((path / RESULT).read_bytes(), type=ExportedModel)
            names.add(Path(exported.gguf).name)
    return names


def clear_stages(stages: Collection[Path]) -> int:
    for path in stages:
        remove_directory(path)
    return len(stages)


def clear_answers(words: frozenset[str], home: Home) -> int:
    """Takes the names and texts out of what measurements of other material found; their figures stay."""
    changed = 0
    for path in (entry / name for entry in _entries(home.stages) for name in ("answers.json", RESULT)):
        with suppress(OSError, msgspec.DecodeError):
            before = msgspec.json.decode(path.read_bytes())
            if (after := tombstoned(before, words)) != before:
                write_file(path, msgspec.json.encode(after))
                changed += 1
    return changed


def clear_releases(one: Withdrawal, releases: Releases) -> tuple[int, int]:
    """Leaves tombstones and removes the models that no other release needs; returns how many of each.

    Raises Refused while a withdrawn release is live.
    """
    going = {Path(model.gguf).name for name in one.releases for model in _targets(releases, name)} | {*one.models}
    tombstones = 0
    for name in one.releases:
        if releases.live() == name:
            raise Refused(
                f"{name} is withdrawn and still live, because nothing else could go live",
                remedy="`iaipctl uninstall` gives your own files back, or `iaipctl run` makes a release without it",
            )
        tombstones += bury(releases, name)
    needed = {Path(model.gguf).name for name in _others(one, releases) for model in _targets(releases, name)}
    models = sorted((going - needed) & {path.name for path in _entries(releases.models)})
    for model in models:
        remove_file(releases.models / model)
    return tombstones, len(models)


def clear_indexes(one: Withdrawal, grounds: Grounds) -> dict[str, int]:
    """Every index of a release and of a measurement; a document withdrawn for good is ignored by QMD from now on."""
    if one.denied:
        _ignore(one, grounds)
    cleaned = [grounds.indexes.forget(index, one.documents, one.contents) for index in index_files(grounds)]
    return {
        "indexes": len(cleaned),
        "index_documents": sum(forgotten.documents for forgotten in cleaned),
        "index_vectors": sum(forgotten.vectors for forgotten in cleaned),
        "index_answers": sum(forgotten.answers for forgotten in cleaned),
    }


def index_files(grounds: Grounds) -> list[Path]:
    folders = [*(grounds.releases.directory(name) for name in grounds.releases.names()), *_entries(grounds.home.stages)]
    places = (place for folder in folders for place in (folder / "index.sqlite", folder / "index" / "index.sqlite"))
    return [place for place in places if place.is_file()]


def left_by_lineage(one: Withdrawal, grounds: Grounds) -> list[str]:
    """What is left that derives from the material: nothing, or the withdrawal is not done."""
    material = material_of(one)
    live = {name for name in grounds.releases.names() if name not in one.releases}
    lineage = read_lineage(grounds.releases, material)
    hit = {name for name, record in lineage.records.items() if any(True for _ in sources_in(record, material))}
    left = [f"releases/{one.name}" for one in lineage.releases if one.name in live and hit & set(one.records.values())]
    left += [f"datasets/{name}" for name in sorted(touched_datasets(one, grounds.home))]
    if grounds.home.examples_cache.exists():
        with opened(grounds.home.examples_cache, grounds.keys) as cache:
            if any(_learnable(holding, one) for holding in cache.holdings()):
                left.append("cache/examples.sqlite")
    for index in index_files(grounds):
        if grounds.indexes.still_holds(index, one.documents, one.contents):
            left.append(index.relative_to(grounds.home.root).as_posix())
    return left


def _learnable(holding: Holding, one: Withdrawal) -> bool:
    """By now the cache may know the note again: as one that is denied. Only its consents would be wrong."""
    return any(consent.partition("@")[0] in one.consents for consent in holding.consents)


def _holdings(one: Withdrawal, grounds: Grounds) -> Iterator[Holding]:
    if grounds.home.examples_cache.exists():
        with opened(grounds.home.examples_cache, grounds.keys) as cache:
            yield from list(cache.holdings())
    material, work = material_of(one), Sealing(grounds.keys)
    for record in read_lineage(grounds.releases, material).records.values():
        yield from map(_holding, sources_in(record, material))
    for path in _entries(grounds.home.datasets):
        with suppress(OSError, msgspec.DecodeError, BadInput, KeyDestroyed):
            yield from _held_by(path, work)


def _held_by(dataset: Path, work: Sealing) -> Iterator[Holding]:
    manifest = msgspec.json.decode((dataset / "manifest.json").read_bytes(), type=DatasetManifest)
    yield from map(_holding, manifest.sources)
    yield from map(_holding, _known((dataset / "documents.jsonl").read_bytes(), work))


def _touched(meant: Meant, dataset: Path) -> bool:
    try:
        manifest = msgspec.json.decode((dataset / "manifest.json").read_bytes(), type=DatasetManifest)
    except (OSError, msgspec.DecodeError):
        return True
    return any(meant.holds(_holding(source)) for source in manifest.sources)


def _known(content: bytes, work: Sealing) -> list[KnownDocument]:
    return msgspec.json.Decoder(KnownDocument).decode_lines(work.opened(content))


def _holding(known: KnownDocument | SourceDocument | Source) -> Holding:
    return Holding(id=known.id, sha256=known.sha256, consents=known.consents)


def _denied_now(documents: Iterable[DocumentId], grounds: Grounds, now: datetime) -> Iterator[DocumentId]:
    """The documents that may be used for nothing any more; one that is gone is one of them."""
    documents = sorted(documents)
    terms = in_force(grounds.home, grounds.settings, grounds.corpus.collections(), documents, now).terms
    raising = RaisingWords(terms.words)
    for document in documents:
        try:
            text = grounds.corpus.read(document).text
        except BadInput:
            yield document
            continue
        if not ruling(document, note_said(read_front_matter(text)[0], text, raising), terms).uses:
            yield document


def _targets(releases: Releases, name: str) -> list[LiveModel]:
    with suppress(BadInput):
        return list(releases.release(name).metadata.targets.values())
    return []


def _others(one: Withdrawal, releases: Releases) -> list[str]:
    return [name for name in releases.names() if name not in one.releases and not buried(releases, name)]


def _ignore(one: Withdrawal, grounds: Grounds) -> None:
    with grounds.releases.one_at_a_time():
        path = grounds.releases.current / "qmd" / "index.yml"
        if path.exists():
            before = path.read_text("utf-8")
            after = grounds.indexes.ignoring(before, one.documents)
            if after != before:
                write_file(path.resolve(), after.encode())


def _entries(folder: Path) -> list[Path]:
    """Sorted, without stages of publications."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []
