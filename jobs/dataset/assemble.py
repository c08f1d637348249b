"""From every document's material to the rows of a dataset. Pure: the same material gives the same rows.

Here the documents meet: a query that many share is too common to ask alone, links find what they lead to,
near-duplicates answer the same queries, and whole clusters are kept back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from msgspec import Struct

from config.settings import DatasetSettings
from jobs.dataset.cache import Cached
from jobs.dataset.curated import Curated, CuratedExpansion
from jobs.dataset.library import Library, text_key
from jobs.dataset.material import Candidate, Draft
from jobs.dataset.pairs import LONGEST_QUERY, is_boilerplate, stands_alone, tidied
from jobs.dataset.passages import cut
from jobs.dataset.permission import RuledFile
from jobs.dataset.split import split_alone
from jobs.dataset.terms import shared_words, telling_words
from jobs.dataset.words import language_of, query_key
from jobs.domain.consent import mixed
from jobs.domain.corpus import CURATED, DocumentId, Passage, text_digest
from jobs.domain.examples import Expansion, Origin, Pair, Split
from jobs.domain.examples import Generator as GeneratorName

COMMON = 3
"""A query that more documents than this would answer is too common."""

Row = TypeVar("Row", Pair, Expansion)


class Placed(Struct, Generic[Row], frozen=True):
    split: Split
    row: Row


@dataclass(frozen=True)
class _Found:
    """A query with its passage, not yet known to be worth asking."""

    query: str
    document: DocumentId
    passage: int
    generator: GeneratorName
    through: DocumentId | None = None


def pairs(library: Library, curated: Curated) -> list[Placed[Pair]]:
    """Every pair, curated ones first, none twice."""
    found = [*_from_curated(library, curated), *_from_notes(library), *_from_links(library)]
    answers: dict[str, set[DocumentId]] = {}
    for one in found:
        answers.setdefault(query_key(one.query), set()).update(library.alike(one.document))
    placed: dict[tuple[str, str], Placed[Pair]] = {}
    for one in found:
        if one.generator != "curated" and len(answers[query_key(one.query)]) > max(
            COMMON, len(library.near[str(one.document)])
        ):
            library.dropped["query that many documents share"] += 1
            continue
        pair = _pair(library, one, tuple(sorted(answers[query_key(one.query)])))
        key = (query_key(pair.query), pair.passage)
        if key in placed:
            library.dropped["pair that is there already"] += 1
        else:
            placed[key] = Placed(library.splits[str(one.document)], pair)
    return [*placed.values(), *_free_texts(library, curated)]


def expansions(library: Library, curated: Curated, settings: DatasetSettings) -> list[Placed[Expansion]]:
    """Every expansion, curated ones first, one a query."""
    common = _common_keys(library)
    rows = [
        Placed(split_alone(query_key(one.query), settings), _curated_expansion(library, one))
        for one in curated.expansions
    ]
    for entry in library.documents.values():
        for draft in entry.material.drafts:
            if query := _asked(draft, common, library):
                rows.append(Placed(library.splits[str(entry.id)], _expansion(library, entry, draft, query)))
    unique: dict[str, Placed[Expansion]] = {}
    for placed in rows:
        key = (
            f"{placed.row.query}\0{placed.row.lines}"
            if placed.row.origin.generator == "curated"
            else query_key(placed.row.query)
        )
        if key in unique:
            library.dropped["expansion of a query that has one already"] += 1
        else:
            unique[key] = placed
    for expansion in curated.expansions:
        library.dropped.update(expansion.dropped)
    return list(unique.values())


def _from_notes(library: Library) -> Iterator[_Found]:
    common = _common_keys(library)
    for entry in library.documents.values():
        for candidate in entry.material.candidates:
            if query := _asked(candidate, common, library):
                yield _Found(query, entry.id, candidate.passage, candidate.source)


def _common_keys(library: Library) -> set[str]:
    """What is asked alone in too many documents; near-duplicates count once."""
    asked: dict[str, set[str]] = {}
    for entry in library.documents.values():
        cluster = library.near[str(entry.id)][0]
        for candidate in entry.material.candidates:
            if candidate.alone:
                asked.setdefault(query_key(candidate.alone), set()).add(cluster)
    return {key for key, clusters in asked.items() if len(clusters) > COMMON}


def _asked(candidate: Candidate | Draft, common: set[str], library: Library) -> str:
    """The words to ask: alone if they are telling enough, else with their context; nothing if there is none."""
    if candidate.alone and query_key(candidate.alone) not in common:
        return candidate.alone
    if not candidate.joined:
        library.dropped["query too general to ask"] += 1
    return candidate.joined


def _from_links(library: Library) -> Iterator[_Found]:
    """Anchor texts with the documents they lead to, if both ends are in one split."""
    for entry in library.documents.values():
        for link in entry.material.links:
            anchor = tidied(link.anchor)
            if not stands_alone(anchor) or is_boilerplate(anchor) or len(anchor) > LONGEST_QUERY:
                continue
            target = library.names.linked(entry.id, link)
            if target is None or target not in library.documents:
                continue
            if library.splits[str(target)] != library.splits[str(entry.id)]:
                library.dropped["link between documents of different splits"] += 1
                continue
            there = library.documents[target].material
            key = query_key(link.fragment.replace("-", " "))
            passage = next((section.passage for section in there.sections if section.key == key), 0) if key else 0
            yield _Found(anchor, target, passage, "link", through=entry.id)


def _from_curated(library: Library, curated: Curated) -> Iterator[_Found]:
    for pair in curated.pairs:
        if pair.document is None:
            continue
        if pair.document not in library.documents:
            library.dropped["curated pair of a document that may not be used"] += 1
            continue
        passages = library.documents[pair.document].material.passages
        file = library.files[pair.file].id
        yield _Found(pair.query, pair.document, best_passage(pair.query, passages), "curated", through=file)


def best_passage(query: str, passages: Sequence[Passage]) -> int:
    """The number of the passage with most of the query's words; the first of equals."""
    words = [word.lower() for word in telling_words(query)]
    return max(range(len(passages)), key=lambda number: (shared_words(words, passages[number].text), -number))


def _free_texts(library: Library, curated: Curated) -> Iterator[Placed[Pair]]:
    for pair in curated.pairs:
        if pair.document is None:
            passages = cut(pair.text)
            passage = passages[best_passage(pair.query, passages)]
            name = text_key(pair)
            relevant = sorted(library.by_name[other] for other in library.near[name] if other in library.by_name)
            row = Pair(
                query=pair.query,
                title=pair.title,
                passage=passage.text,
                relevant=tuple(relevant),
                language=language_of(passage.text),
                origin=_curated_origin(library.files[pair.file], name, pair.text, passage),
            )
            yield Placed(library.splits[name], row)


def _pair(library: Library, found: _Found, relevant: tuple[DocumentId, ...]) -> Pair:
    entry = library.documents[found.document]
    passage = entry.material.passages[found.passage]
    return Pair(
        query=found.query,
        title=entry.material.title,
        passage=passage.text,
        relevant=relevant,
        language=entry.material.language,
        origin=_origin(library, entry, passage, found.generator, found.through),
    )


def _expansion(library: Library, entry: Cached, draft: Draft, query: str) -> Expansion:
    return Expansion(
        query=query,
        lines=draft.lines,
        language=entry.material.language,
        origin=_origin(library, entry, entry.material.passages[draft.passage], "key-terms", None),
        relevant=tuple(sorted(library.alike(entry.id))),
    )


def _curated_expansion(library: Library, expansion: CuratedExpansion) -> Expansion:
    text = "\n".join([expansion.query, *(f"{line.kind}: {line.text}" for line in expansion.lines)])
    return Expansion(
        query=expansion.query,
        lines=expansion.lines,
        language=language_of(text),
        origin=_curated_origin(
            library.files[expansion.file],
            f"{CURATED}/{expansion.file}#{text_digest(text)[:12]}",
            text,
            Passage(start=0, text=text),
        ),
    )


def _origin(
    library: Library, entry: Cached, passage: Passage, generator: GeneratorName, through: DocumentId | None
) -> Origin:
    """With the strictest class of the document and of what lent the query."""
    both = [entry.ruling]
    if through is not None:
        lender = library.documents.get(through)
        both.append(lender.ruling if lender else library.files[through.path].ruling)
    found = mixed(both)
    return Origin(
        document=entry.id,
        sha256=entry.sha256,
        start=passage.start,
        length=len(passage.text),
        generator=generator,
        through=through,
        classification=found.classification,
        consents=found.consents,
    )


def _curated_origin(file: RuledFile, name: str, text: str, passage: Passage) -> Origin:
    return Origin(
        document=DocumentId(collection=CURATED, path=name.removeprefix(f"{CURATED}/")),
        sha256=text_digest(text),
        start=passage.start,
        length=len(passage.text),
        generator="curated",
        classification=file.ruling.classification,
        consents=file.ruling.consents,
    )
