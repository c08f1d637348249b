"""What a model was made from, both ways: from documents and consents to releases, and back. Values and rules only.

A release carries a record of sources for every target that was trained, also for one it took over from the release
before: what a release derives from is answered by its own directory.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec
from msgspec import Struct

from jobs.domain.consent import Classification, NoteSaid, Use
from jobs.domain.corpus import CURATED, DocumentId
from jobs.domain.examples import DatasetManifest, Expansion, KnownDocument, Pair, QuerySet, SourceDocument

UNREADABLE = "?"
"""Stands for every target of a release whose metadata cannot be read."""

_PLAIN = re.compile(r"[ !#-:<-JL-\[\]-_a-~]+")
"""ASCII without what JSON escapes, and without K, ; and `: these have canonical doubles elsewhere in Unicode."""

Span = tuple[int, int]
"""(start, length) in the document's text, in characters."""


class Source(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A document that examples were made from or found through, that they lead to, or that a query was judged by.

    ``said`` is what it said of itself then; none for one that was only judged by, or that an earlier version entered.
    ``examples`` counts the rows made from it or found through it, ``spans`` are the passages that gave them.
    A curated file is a document of the collection ``curated``, and so is each text of its own (``file#digest``).
    """

    id: DocumentId
    sha256: str
    classification: Classification
    consents: tuple[str, ...] = ()
    attribution: tuple[str, ...] = ()
    uses: tuple[Use, ...] = ()
    said: NoteSaid | None = None
    examples: int = 0
    spans: tuple[Span, ...] = ()


class JudgingSet(Struct, frozen=True, kw_only=True):
    """A set of queries that took part in the verdict. ``sha256`` is of the set as it was asked."""

    name: str
    kind: str
    queries: int
    sha256: str


class Provenance(Struct, frozen=True, kw_only=True):
    """``sources/<target>.json`` of a release: what the target's model was made from and judged by.

    ``model`` is the SHA-256 of its GGUF, ``merkle_root`` that of the dataset's rows, ``consent`` the revision it
    was built under, ``reading`` how the sources' texts were read (``Terms.reading``).
    """

    schema: str = "iaip.sources/1"
    target: str
    run: int
    model: str
    dataset: str
    merkle_root: str
    examples: int
    consent: str
    reading: str = ""
    query_sets: tuple[JudgingSet, ...]
    sources: tuple[Source, ...]


class ReleaseLineage(Struct, frozen=True, kw_only=True):
    """One release's records by target, each named by its digest (see ``Lineage``).

    ``unaccounted`` are targets that were trained here and whose record is missing or damaged: nobody can say what
    they derive from, so they count as derived from everything. A model that the owner brought has no record.
    """

    name: str
    records: Mapping[str, str] = {}
    unaccounted: tuple[str, ...] = ()


class Lineage(Struct, frozen=True, kw_only=True):
    """Every release, oldest first, and every distinct record by its digest: releases that carry a target share one."""

    releases: tuple[ReleaseLineage, ...]
    records: Mapping[str, Provenance]


class Material(Struct, frozen=True, kw_only=True):
    """What is asked after. A source is part of it by any one of the three.

    ``documents`` match in any Unicode form; a curated file stands for its texts too. ``contents`` are SHA-256s, so
    that a note which had another name is found. A consent is a record's id, for every revision, or ``id@revision``.
    """

    documents: frozenset[DocumentId] = frozenset()
    contents: frozenset[str] = frozenset()
    consents: frozenset[str] = frozenset()


class Touched(Struct, frozen=True, kw_only=True):
    """A release that derives from the material through ``targets``, or of which nobody can say it does not."""

    release: str
    targets: tuple[str, ...] = ()
    unaccounted: tuple[str, ...] = ()


def releases_touched(lineage: Lineage, material: Material) -> tuple[Touched, ...]:
    """Every release that derives from some of the material, through any target it carries, oldest first."""
    hit = {name for name, record in lineage.records.items() if derives(record, material)}
    touched = (
        Touched(
            release=release.name,
            targets=tuple(sorted(target for target, record in release.records.items() if record in hit)),
            unaccounted=release.unaccounted,
        )
        for release in lineage.releases
    )
    return tuple(one for one in touched if one.targets or one.unaccounted)


def derives(record: Provenance, material: Material) -> bool:
    return any(True for _ in sources_in(record, material))


def sources_in(record: Provenance, material: Material) -> Iterable[Source]:
    """The record's sources that are part of the material."""
    return (source for source in record.sources if is_part(source, material))


def is_part(source: Source | SourceDocument, material: Material) -> bool:
    return (
        source.sha256 in material.contents
        or any(not material.consents.isdisjoint(_names(consent)) for consent in source.consents)
        or (bool(material.documents) and not _meant(material.documents).isdisjoint(_places(source.id)))
    )


def carriers(lineage: Lineage, record: str) -> tuple[str, ...]:
    """The releases that carry the model of this record (named by its digest), oldest first."""
    return tuple(release.name for release in lineage.releases if record in release.records.values())


def needles(material: Material) -> tuple[bytes, ...]:
    """Bytes of which a record's JSON holds at least one if any of its sources is part of the material.

    Of a path it is the longest run that every Unicode form of it has and that JSON writes as it is.
    """
    runs = [max(_PLAIN.findall(_places(document)[0][1]), key=len, default="") for document in material.documents]
    return tuple(sorted(text.encode() for text in {*runs, *material.contents, *material.consents}))


def provenance(
    manifest: DatasetManifest,
    rows: Iterable[Pair | Expansion],
    documents: Iterable[KnownDocument],
    query_sets: Sequence[QuerySet],
    *,
    run: int,
    model: str,
) -> Provenance:
    """The record of a model trained on the dataset with these rows and judged by ``query_sets``.

    ``documents`` are those that may judge: the owner's own sets ask for some that gave no rows.
    """
    spans: dict[DocumentId, set[Span]] = {}
    for row in rows:
        spans.setdefault(row.origin.document, set()).add((row.origin.start, row.origin.length))
    known = {source.id: _source(source, spans.get(source.id, ())) for source in manifest.sources}
    asked = {name for one in query_sets for query in one.queries for name in query.relevant}
    for judge in documents:
        if str(judge.id) in asked:
            known[judge.id] = _also_judging(known.get(judge.id), judge)
    return Provenance(
        target=manifest.target,
        run=run,
        model=model,
        dataset=manifest.name,
        merkle_root=manifest.merkle_root,
        examples=sum(manifest.counts.rows.values()),
        consent=manifest.consent,
        reading=manifest.reading,
        query_sets=tuple(map(_judging_set, query_sets)),
        sources=tuple(known[document] for document in sorted(known)),
    )


def merkle_root(leaves: Iterable[bytes]) -> str:
    """The hex root of a SHA-256 Merkle tree as RFC 9162, section 2.1.1, has it: leaves and nodes hash apart."""
    peaks: list[tuple[int, bytes]] = []  # (height, hash) of whole subtrees, the highest first
    for leaf in leaves:
        height, node = 0, hashlib.sha256(b"\x00" + leaf).digest()
        while peaks and peaks[-1][0] == height:
            node = _node(peaks.pop()[1], node)
            height += 1
        peaks.append((height, node))
    if not peaks:
        return hashlib.sha256().hexdigest()
    root = peaks.pop()[1]
    while peaks:
        root = _node(peaks.pop()[1], root)
    return root.hex()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _source(source: SourceDocument, spans: Iterable[Span]) -> Source:
    return Source(
        id=source.id,
        sha256=source.sha256,
        classification=source.classification,
        consents=source.consents,
        attribution=source.attribution,
        uses=source.uses,
        said=msgspec.structs.replace(source.said, sha256=""),
        examples=source.rows,
        spans=tuple(sorted(spans)),
    )


def _also_judging(source: Source | None, judge: KnownDocument) -> Source:
    if source is None:
        source = Source(
            id=judge.id,
            sha256=judge.sha256,
            classification=judge.classification,
            consents=judge.consents,
            attribution=judge.attribution,
        )
    uses: set[Use] = {*source.uses, "evaluate"}
    return msgspec.structs.replace(source, uses=tuple(sorted(uses)))


def _judging_set(query_set: QuerySet) -> JudgingSet:
    return JudgingSet(
        name=query_set.name,
        kind=query_set.kind,
        queries=len(query_set.queries),
        sha256=hashlib.sha256(msgspec.json.encode(query_set)).hexdigest(),
    )


@lru_cache(maxsize=8)
def _meant(documents: frozenset[DocumentId]) -> frozenset[tuple[str, str]]:
    return frozenset(_places(document)[0] for document in documents)


def _places(document: DocumentId) -> tuple[tuple[str, str], ...]:
    """Where the document is, in NFC; for a text of a curated file, where that is as well."""
    path = unicodedata.normalize("NFC", document.path)
    place = (document.collection, path)
    return (place, (CURATED, path.partition("#")[0])) if document.collection == CURATED else (place,)


@lru_cache(maxsize=8192)
def _names(consent: str) -> tuple[str, str]:
    """What ``id@revision`` may be asked for by."""
    return consent, consent.partition("@")[0]
