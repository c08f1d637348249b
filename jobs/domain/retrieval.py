"""Pairs as the model is served them, and who is right for whom: the ground of negatives and of development scores."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from jobs.domain.averaging import ndcg_at_10
from jobs.domain.corpus import DocumentId
from jobs.domain.examples import Generator, Pair
from jobs.domain.prompts import embedding_document, embedding_query

Vectors = npt.NDArray[np.float32]


class ServedPair(Struct, frozen=True, kw_only=True):
    """A pair's texts with QMD's prompts for one base on."""

    query: str
    passage: str
    relevant: frozenset[DocumentId]
    generator: Generator


def most_telling(pairs: Sequence[Pair], most: int, *, curated_repeats: int, seed: int) -> list[Pair]:
    """What one epoch sees: curated pairs ``curated_repeats`` times, others once, at most ``most`` in all.

    Where there are more, curated ones stay and the others are drawn by chance. The order is that of ``pairs``.
    """
    shown = [
        index
        for index, pair in enumerate(pairs)
        for _ in range(curated_repeats if pair.origin.generator == "curated" else 1)
    ]
    random.Random(seed).shuffle(shown)
    shown.sort(key=lambda index: pairs[index].origin.generator != "curated")
    return [pairs[index] for index in sorted(shown[:most])]


def serve(pairs: Sequence[Pair], model: str) -> list[ServedPair]:
    """The pairs exactly as QMD serves ``model``: what a development score is measured on."""
    return [_served(pair, pair.title, model) for pair in pairs]


def serve_for_training(pairs: Sequence[Pair], model: str) -> list[ServedPair]:
    """As ``serve``, but a passage whose title is the query comes as one without a title.

    With its answer written before it, such a pair would teach nothing but to compare words.
    """
    return [_served(pair, "" if pair.query == pair.title else pair.title, model) for pair in pairs]


def _served(pair: Pair, title: str, model: str) -> ServedPair:
    return ServedPair(
        query=embedding_query(pair.query, model),
        passage=embedding_document(title, pair.passage, model),
        relevant=frozenset(pair.relevant),
        generator=pair.origin.generator,
    )


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


def development_scores(
    queries: Sequence[ServedPair], shelf: Shelf, query_vectors: Vectors, vectors: Vectors
) -> dict[str, list[float]]:
    """nDCG@10 of each query over the shelf's passages, by cosine; by the queries' generators.

    Other passages of relevant documents are left out of a query's ranking.
    ``query_vectors`` (queries × dimensions) and ``vectors`` (passages × dimensions) have length 1.
    """
    of_generator: dict[str, list[float]] = defaultdict(list)
    for query, vector in zip(queries, query_vectors, strict=True):
        of_generator[query.generator].append(_query_score(query, shelf, vectors @ vector))
    return dict(of_generator)


def _query_score(query: ServedPair, shelf: Shelf, similarities: Vectors) -> float:
    right = shelf.right(query.query)
    similarities[sorted(shelf.related(query) - right)] = -np.inf
    order = np.argsort(-similarities, kind="stable")[:10].tolist()
    return ndcg_at_10([order.index(index) + 1 for index in right if index in order], len(right))
