"""All permitted documents together: who resembles whom, and which of them are kept back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from config.settings import DatasetSettings
from jobs.dataset.cache import Cached
from jobs.dataset.curated import CuratedPair, curated_file_of
from jobs.dataset.links import DocumentNames
from jobs.dataset.permission import RuledFile
from jobs.dataset.sketch import near_duplicates, sketch
from jobs.dataset.split import joined_clusters, split_alone, split_documents
from jobs.dataset.words import query_key
from jobs.domain.consent import Use
from jobs.domain.corpus import CURATED, DocumentId, text_digest
from jobs.domain.examples import Expansion, Pair, Split


@dataclass(frozen=True)
class Library:
    """All permitted documents, who resembles whom, and where each one's rows go. Made by ``library``."""

    documents: Mapping[DocumentId, Cached]
    names: DocumentNames
    near: Mapping[str, tuple[str, ...]]
    """Near-duplicates by ``str(DocumentId)`` (for free text by its key), each with itself."""
    splits: Mapping[str, Split]
    by_name: Mapping[str, DocumentId]
    files: Mapping[str, RuledFile] = field(default_factory=dict)
    """The curated files that may be used, by name."""
    dropped: Counter[str] = field(default_factory=Counter)

    def judges(self, name: str) -> bool:
        """Whether the document of this name (``str(DocumentId)``) may be used to evaluate."""
        return name in self.by_name and "evaluate" in self.documents[self.by_name[name]].ruling.uses

    def may_judge(self, row: Pair | Expansion) -> bool:
        """Whether all that a row was made from, found through or leads to may be used to evaluate."""
        return all(
            self.judges(str(document)) or "evaluate" in self._file_uses(document)
            for document in (row.origin.document, row.origin.through, *row.relevant)
            if document
        )

    def _file_uses(self, document: DocumentId) -> tuple[Use, ...]:
        file = self.files.get(curated_file_of(document) or "")
        return file.ruling.uses if file else ()

    def alike(self, document: DocumentId) -> Iterator[DocumentId]:
        return (self.by_name[name] for name in self.near[str(document)] if name in self.by_name)


def library(
    cached: Sequence[Cached],
    names: DocumentNames,
    pairs: Sequence[CuratedPair],
    files: Mapping[str, RuledFile],
    settings: DatasetSettings,
) -> Library:
    """Documents that one curated query finds together stay together, as do near-duplicates, free texts included."""
    sketches = {str(entry.id): entry.material.sketch for entry in cached}
    by_name = {str(entry.id): entry.id for entry in cached}
    sketches |= {text_key(pair): sketch(pair.text) for pair in pairs if pair.document is None}
    near = near_duplicates(sketches).members()
    asked: dict[str, list[str]] = {}
    for pair in pairs:
        asked.setdefault(query_key(pair.query), []).append(str(pair.document) if pair.document else text_key(pair))
    clusters = joined_clusters(near, list(asked.values()))
    splits = split_documents(clusters, settings)
    for name, members in clusters.items():
        if not any(member in by_name for member in members):
            splits[name] = split_alone(min(members), settings)
    return Library(
        documents={entry.id: entry for entry in cached},
        names=names,
        near=near,
        splits=splits,
        by_name=by_name,
        files=files,
    )


def text_key(pair: CuratedPair) -> str:
    """The name of a curated free text: its file, and 12 digits of its content."""
    return f"{CURATED}/{pair.file}#{text_digest(pair.text)[:12]}"
