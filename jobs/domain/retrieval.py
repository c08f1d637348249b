"""Pairs as the model is served them, and who is right for whom: the ground of negatives and of development scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from jobs.domain.averaging import ndcg_at_10
from jobs.domain.corpus import DocumentId
from jobs.domain.examples import Pair
from jobs.domain.prompts import embedding_document, embedding_query

Vectors = npt.NDArray[np.float32]


class ServedPair(Struct, frozen=True, kw_only=True):
    """A pair's texts with QMD's prompts for one base on."""

    query: str
    passage: str
    relevant: frozenset[DocumentId]


def serve(pairs: Sequence[Pair], model: str) -> list[ServedPair]:
    return [
        ServedPair(
            query=embedding_query(pair.query, model),
            passage=embedding_document(pair.title, pair.passage, model),
            relevant=frozenset(pair.relevant),
        )
        for pair in pairs
    ]


def keys_of(pair: ServedPair) -> frozenset[Hashable]:
    """What two pairs of one batch must not share."""
    return frozenset({("query", pair.query), ("passage", pair.passage), *pair.relevant})


class Shelf:
    """The distinct passages of many pairs, in order of first appearance, and which are right for a pair."""

    def __init__(self, pairs: Sequence[ServedPair]) -> None:
        self.passages = list(dict.fromkeys(pair.passage for pair in pairs))
        self.place = {passage: index for index, passage in enumerate(self.passages)}
        self._of_query: dict[str, set[int]] = defaultdict(set)
        self._of_document: dict[DocumentId, set[int]] = defaultdict(set)
        for pair in pairs:
            index = self.place[pair.passage]
            self._of_query[pair.query].add(index)
            for document in pair.relevant:
                self._of_document[document].add(index)

    def right(self, query: str) -> set[int]:
        """The passages that are paired with exactly this query."""
        return set(self._of_query[query])

    def related(self, pair: ServedPair) -> set[int]:
        """The right passages, and all others of documents that are relevant to the pair: neither right nor wrong."""
        related = self.right(pair.query)
        for document in pair.relevant:
            related |= self._of_document[document]
        return related


def mean_ndcg_at_10(queries: Sequence[ServedPair], shelf: Shelf, query_vectors: Vectors, vectors: Vectors) -> float:
    """Mean nDCG@10 of the queries over the shelf's passages, by cosine; other passages of relevant documents are left out.

    ``query_vectors`` (queries × dimensions) and ``vectors`` (passages × dimensions) have length 1. No queries: 0.
    """
    if not queries:
        return 0.0
    total = 0.0
    for query, vector in zip(queries, query_vectors, strict=True):
        scores = vectors @ vector
        right = sorted(shelf.right(query.query))
        scores[sorted(shelf.related(query) - set(right))] = -np.inf
        order = np.argsort(-scores, kind="stable")[:10].tolist()
        total += ndcg_at_10([order.index(index) + 1 for index in right if index in order], len(right))
    return total / len(queries)
