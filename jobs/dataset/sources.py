"""Which documents a dataset stands on, and what it puts each of them to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from jobs.dataset.assemble import Placed
from jobs.dataset.curated import curated_file_of
from jobs.dataset.library import Library
from jobs.dataset.refresh import TARGET_USES
from jobs.domain.consent import NoteSaid, Use
from jobs.domain.corpus import DocumentId
from jobs.domain.examples import Expansion, Pair, QuerySet, SourceDocument, Target


def sources(
    target: Target,
    placed: Sequence[Placed[Pair] | Placed[Expansion]],
    sets: Sequence[QuerySet],
    library: Library,
) -> tuple[SourceDocument, ...]:
    """Every document that a row was made from, found through or leads to, or that a query is judged by, in order."""
    rows: Counter[DocumentId] = Counter()
    digests: dict[DocumentId, str] = {}
    uses: dict[DocumentId, set[Use]] = {}
    for one in placed:
        origin = one.row.origin
        digests[origin.document] = origin.sha256
        made_from = {
            document for document in (origin.document, origin.through, _file(origin.document, library)) if document
        }
        rows.update(made_from)
        for document in made_from.union(one.row.relevant):
            uses.setdefault(document, set()).add("evaluate" if one.split == "test" else TARGET_USES[target])
    for query in (query for one in sets for query in one.queries):
        for name in query.relevant:
            uses.setdefault(library.by_name[name], set()).add("evaluate")
    return tuple(
        _source(document, rows[document], digests.get(document, ""), found, library)
        for document, found in sorted(uses.items(), key=lambda item: item[0])
    )


def _file(document: DocumentId, library: Library) -> DocumentId | None:
    """The curated file that a text of its own stands in."""
    name = curated_file_of(document)
    return None if name is None else library.files[name].id


def _source(document: DocumentId, rows: int, sha256: str, uses: set[Use], library: Library) -> SourceDocument:
    entry = library.documents.get(document)
    file = library.files.get(curated_file_of(document) or "")
    found = entry.ruling if entry else file.ruling if file else None
    assert found is not None, "a row of a document that nobody ruled on"
    return SourceDocument(
        id=document,
        sha256=entry.sha256 if entry else sha256 or (file.sha256 if file else ""),
        rows=rows,
        uses=tuple(sorted(uses)),
        said=entry.said if entry else NoteSaid(),
        classification=found.classification,
        consents=found.consents,
        attribution=found.attribution,
    )
