"""Retrieval metrics per query, by the ir_measures library (trec_eval's own code under it)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import ir_measures
from ir_measures import RR, P, Qrel, ScoredDoc, Success, nDCG

from jobs.domain.examples import JudgedQuery, QuerySet
from jobs.domain.gates import METRICS, Answer, QueryScore

_MEASURES = (RR @ 10, P @ 5, nDCG @ 10, Success @ 5)


class IrMeasures:
    """The Scorer of jobs.ports."""

    def score(self, query_set: QuerySet, answers: Sequence[Answer]) -> tuple[QueryScore, ...]:
        """One score a query of the set, in its order. A query without an answer, or with none relevant, scores 0.

        A document counts as relevant from grade 1. Only the order of an answer's documents matters; of a
        document named twice, the first place counts. Answers to queries outside the set are ignored.
        """
        documents = {answer.query: answer.documents for answer in answers}
        qrels: list[Qrel] = []
        run: list[ScoredDoc] = []
        for number, query in enumerate(query_set.queries):
            qrels += _qrels(number, query)
            run += _run(number, documents.get(query.id, ()))
        found = {(metric.query_id, str(metric.measure)): float(metric.value) for metric in _calculated(qrels, run)}
        return tuple(
            QueryScore(query=query.id, metrics={name: found.get((str(number), name), 0.0) for name in METRICS})
            for number, query in enumerate(query_set.queries)
        )


def _calculated(qrels: Sequence[Qrel], run: Sequence[ScoredDoc]) -> Iterator[ir_measures.Metric]:
    if qrels:
        yield from ir_measures.iter_calc(_MEASURES, qrels, run)


# trec_eval passes ids through C strings and re-sorts equal scores by id. So queries go by number,
# document ids by their hexadecimal bytes, and every rank has a score of its own.


def _qrels(number: int, query: JudgedQuery) -> Iterator[Qrel]:
    for document, grade in query.relevant.items():
        yield Qrel(str(number), _safe(document), grade)


def _run(number: int, documents: Sequence[str]) -> Iterator[ScoredDoc]:
    distinct = tuple(dict.fromkeys(documents))
    for rank, document in enumerate(distinct):
        yield ScoredDoc(str(number), _safe(document), float(len(distinct) - rank))


def _safe(document: str) -> str:
    return document.encode("utf-8", "surrogatepass").hex()
