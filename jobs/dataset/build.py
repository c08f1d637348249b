"""Notes in, an immutable dataset directory out: ``<name>/{train,development,test}.jsonl`` and what is known of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from config.paths import Home
from config.settings import DatasetSettings
from jobs.dataset import assemble
from jobs.dataset.assemble import Placed
from jobs.dataset.cache import opened
from jobs.dataset.curated import Curated, read_curated
from jobs.dataset.evaluation import asked_in
from jobs.dataset.held_out import held_out_sets
from jobs.dataset.left_out import left_out, without
from jobs.dataset.library import Library, library
from jobs.dataset.links import DocumentNames
from jobs.dataset.material import GENERATOR_VERSION
from jobs.dataset.permission import allowed_lines, ruled_files
from jobs.dataset.refresh import TARGET_USES, Inputs, Refreshed, Report, refresh, refresh_under, ruled_anew
from jobs.dataset.sources import sources
from jobs.dataset.words import query_key
from jobs.domain.consent import Terms
from jobs.domain.corpus import digest
from jobs.domain.errors import BadInput, NotEnough
from jobs.domain.examples import (
    SPLITS,
    DatasetCounts,
    DatasetManifest,
    Expansion,
    KnownDocument,
    Pair,
    QuerySet,
    Row,
    Split,
    Target,
)
from jobs.domain.lineage import merkle_root
from jobs.domain.sealing import consents_of
from jobs.keys import KeyDestroyed, Keys
from jobs.publish import published_directory, remove_directory, write_file
from jobs.sealing import Sealing

__all__ = ["Dataset", "Inputs", "KnownDocument", "build", "load", "refresh"]

Value = TypeVar("Value", bound=Struct)


class Dataset(Struct, frozen=True, kw_only=True):
    """A dataset as loaded. ``documents`` are all that queries may be judged by."""

    manifest: DatasetManifest
    train: tuple[Row, ...]
    development: tuple[Row, ...]
    test: tuple[Row, ...]
    query_sets: tuple[QuerySet, ...]
    documents: tuple[KnownDocument, ...]

    def pairs(self, split: Split) -> tuple[Pair, ...]:
        """The split's rows of a dataset for embedding; none of one for expansion."""
        return tuple(row for row in self._rows(split) if isinstance(row, Pair))

    def expansions(self, split: Split) -> tuple[Expansion, ...]:
        return tuple(row for row in self._rows(split) if isinstance(row, Expansion))

    def trial_queries(self, most: int) -> tuple[str, ...]:
        """Queries that a healthy search answers: held-out ones, else those of the rows."""
        asked = [query.text for query_set in self.query_sets for query in query_set.queries]
        return tuple([*asked, *(row.query for row in self.train)][:most])

    def trained_on(self) -> frozenset[str]:
        """``str(DocumentId)`` of every document that a training row was made from or found through."""
        origins = [row.origin for row in self.train]
        return frozenset(str(document) for one in origins for document in (one.document, one.through) if document)

    def consents(self) -> tuple[str, ...]:
        """The records under whose keys whatever is made of the rows is sealed; none if all is public."""
        return consents_of((one.classification, one.consents) for one in self.manifest.sources)

    def _rows(self, split: Split) -> tuple[Row, ...]:
        return {"train": self.train, "development": self.development, "test": self.test}[split]


def build(target: Target, inputs: Inputs, report: Report) -> DatasetManifest:
    """Refreshes the cache, puts the rows together and publishes them under the digest of their content and consent.

    What stands on consents is sealed under their keys; the manifest stays plain, with no note's text in it: what was
    made of what must be known even when it can no longer be read.

    Raises NotEnough, with the counts, when there are fewer rows than the settings ask for.
    """
    home, settings, keys = inputs.home, inputs.settings, inputs.keys
    now = ruled_anew(inputs)
    refreshed = refresh_under(now, inputs, report)
    shelf, curated, judged = _collected(target, home, settings.dataset, now.terms, keys)
    unwanted = left_out(home.left_out).keys()
    pairs = without(unwanted, assemble.pairs(shelf, judged), shelf.dropped)
    if target == "embedding":
        placed: Sequence[Placed[Pair] | Placed[Expansion]] = pairs
        most = settings.dataset.most_test_queries
    else:
        shelf.dropped.clear()
        placed = without(unwanted, assemble.expansions(shelf, curated, settings.dataset), shelf.dropped)
        most = settings.dataset.most_expansion_queries
    sets = _held_out(pairs, shelf, most, settings.dataset.seed)
    asked = asked_in(home.evaluation) | {query_key(query.text) for one in sets for query in one.queries}
    placed = [one for one in placed if _may_be_kept(one, shelf, asked)]
    _refuse_too_few(target, len(placed), refreshed, curated.problems, settings.dataset)
    files = _files(placed, sets, shelf)
    manifest = DatasetManifest(
        name=digest(target, str(settings.dataset.seed), now.terms.revision, *map(_sha256, files.values())),
        target=target,
        generator_version=GENERATOR_VERSION,
        seed=settings.dataset.seed,
        counts=_counts(placed, shelf.dropped),
        sources=sources(target, placed, sets, shelf),
        excluded=refreshed.excluded,
        curated_problems=curated.problems,
        consent=now.terms.revision,
        reading=now.terms.reading,
        denied=refreshed.denied,
        merkle_root=merkle_root(line for split in SPLITS for line in files[f"{split}.jsonl"].splitlines()),
    )
    return _publish(home.datasets, manifest, files, _consents(manifest, shelf), keys)


def _collected(
    target: Target, home: Home, settings: DatasetSettings, terms: Terms, keys: Keys
) -> tuple[Library, Curated, Curated]:
    """The documents and curated lines permitted for the target, and the curated pairs permitted to judge it."""
    use = TARGET_USES[target]
    with opened(home.examples_cache, keys) as cache:
        cached = tuple(entry for entry in cache.everything() if use in entry.ruling.uses)
    names = DocumentNames(entry.id for entry in cached)
    files = ruled_files(home.curated, terms)
    curated = allowed_lines(read_curated(home.curated, target, names), files, use)
    judged = curated
    if target != "embedding":
        judged = allowed_lines(read_curated(home.curated, "embedding", names), files, "evaluate")
    return library(cached, names, judged.pairs, files, settings), curated, judged


def _held_out(pairs: Sequence[Placed[Pair]], library: Library, most: int, seed: int) -> tuple[QuerySet, ...]:
    kept_back = frozenset(name for name in library.by_name if library.splits[name] == "test" and library.judges(name))
    judging = [one.row for one in pairs if one.split == "test" and library.may_judge(one.row)]
    return held_out_sets(judging, kept_back, most, seed)


def _may_be_kept(one: Placed[Pair] | Placed[Expansion], library: Library, asked: Set[str]) -> bool:
    """A test row judges: everything it was made from and leads to must be permitted for that as well.

    No other row teaches what the gate asks: ``asked`` are its queries, by ``query_key``.
    """
    if one.split == "test":
        reason = "" if library.may_judge(one.row) else "query that may not be used to evaluate"
    else:
        reason = "query that the gate asks" if query_key(one.row.query) in asked else ""
    if reason:
        library.dropped[reason] += 1
    return not reason


def load(directory: Path, keys: Keys) -> Dataset:
    """Reads a published dataset. Raises BadInput if it is missing or damaged, KeyDestroyed if consent was withdrawn."""
    work = Sealing(keys)
    try:
        manifest = msgspec.json.decode((directory / "manifest.json").read_bytes(), type=DatasetManifest)
        splits = {split: _read_rows(directory / f"{split}.jsonl", manifest.target, work) for split in SPLITS}
        return Dataset(
            manifest=manifest,
            train=splits["train"],
            development=splits["development"],
            test=splits["test"],
            query_sets=msgspec.json.decode(
                work.opened((directory / "queries.json").read_bytes()), type=tuple[QuerySet, ...]
            ),
            documents=_read_lines(directory / "documents.jsonl", KnownDocument, work),
        )
    except (OSError, msgspec.DecodeError) as error:
        raise BadInput(
            f"the dataset {directory.name} cannot be read",
            remedy="`iaipctl run` builds a new one; nothing that is live depends on it",
        ) from error


def _refuse_too_few(
    target: Target, rows: int, refreshed: Refreshed, problems: Sequence[str], settings: DatasetSettings
) -> None:
    least = settings.minimum_pairs if target == "embedding" else settings.minimum_expansions
    what = "pairs" if target == "embedding" else "expansions"
    if rows < least:
        consent = "see `iaipctl consent coverage`, " if refreshed.excluded else ""
        mending = f"mend curated/{problems[0]} (1 of {len(problems)} unused lines), " if problems else ""
        raise NotEnough(
            f"{rows} {what} from {refreshed.documents} notes ({refreshed.excluded} excluded, "
            f"{refreshed.unreadable} unreadable), {least} are needed",
            remedy=f"{consent}{mending}write more notes, add lines to curated/{target}/*.jsonl, "
            f"or lower dataset.minimum_{what}",
        )


def _files(
    placed: Sequence[Placed[Pair] | Placed[Expansion]], sets: tuple[QuerySet, ...], library: Library
) -> dict[str, bytes]:
    known = (
        KnownDocument(
            id=entry.id,
            sha256=entry.sha256,
            classification=entry.ruling.classification,
            consents=entry.ruling.consents,
            attribution=entry.ruling.attribution,
        )
        for entry in library.documents.values()
        if library.judges(str(entry.id))
    )
    files = {f"{split}.jsonl": _lines(one.row for one in placed if one.split == split) for split in SPLITS}
    return files | {"queries.json": msgspec.json.encode(sets), "documents.jsonl": _lines(known)}


def _consents(manifest: DatasetManifest, library: Library) -> tuple[str, ...]:
    """Of all whose text or name is in the files: the sources, and what queries may be judged by."""
    rulings = [(one.classification, one.consents) for one in manifest.sources]
    judges = (entry.ruling for entry in library.documents.values() if library.judges(str(entry.id)))
    return consents_of([*rulings, *((one.classification, one.consents) for one in judges)])


def _publish(
    folder: Path, manifest: DatasetManifest, files: dict[str, bytes], consents: tuple[str, ...], keys: Keys
) -> DatasetManifest:
    ids, work = keys.ids(consents) if consents else (), Sealing(keys)
    if (there := folder / manifest.name).exists() and not _readable(there, keys):
        remove_directory(there)
    with published_directory(folder / manifest.name, verify=lambda stage: load(stage, keys)) as stage:
        for name, content in files.items():
            write_file(stage / name, work.sealed(content, ids))
        write_file(stage / "manifest.json", msgspec.json.encode(manifest))
    return manifest


def _readable(directory: Path, keys: Keys) -> bool:
    try:
        load(directory, keys)
    except (BadInput, KeyDestroyed):
        return False
    return True


def _counts(placed: Sequence[Placed[Pair] | Placed[Expansion]], dropped: Counter[str]) -> DatasetCounts:
    return DatasetCounts(
        rows={split: sum(one.split == split for one in placed) for split in SPLITS},
        generators=dict(sorted(Counter(one.row.origin.generator for one in placed).items())),
        languages=dict(sorted(Counter(one.row.language for one in placed).items())),
        dropped=dict(sorted(dropped.items())),
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _lines(values: Iterable[Struct]) -> bytes:
    return b"".join(msgspec.json.encode(value) + b"\n" for value in values)


def _read_rows(path: Path, target: Target, work: Sealing) -> tuple[Row, ...]:
    return _read_lines(path, Pair, work) if target == "embedding" else _read_lines(path, Expansion, work)


def _read_lines(path: Path, kind: type[Value], work: Sealing) -> tuple[Value, ...]:
    decoder = msgspec.json.Decoder(kind)
    return tuple(decoder.decode_lines(work.opened(path.read_bytes())))
