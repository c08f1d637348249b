"""Chooses which queries of the documents kept back the gate will ask."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.dataset.split import order
from jobs.dataset.words import query_key
from jobs.domain.corpus import digest
from jobs.domain.examples import JudgedQuery, Pair, QuerySet


def held_out_sets(test: Sequence[Pair], kept_back: frozenset[str], most: int, seed: int) -> tuple[QuerySet, ...]:
    """One set of the owner's own queries and one of those made from notes, ``most`` queries in all.

    Asked is only what documents kept back alone answer (``kept_back``: their names). A document gets a second
    query only when every other has its first, and so on; a fixed, seeded order decides the rest.
    """
    own = [pair for pair in test if pair.origin.generator == "curated"]
    notes = [pair for pair in test if pair.origin.generator != "curated"]
    curated = _judged(own, kept_back, seed)
    made = _judged(notes, kept_back, seed)
    taken = {query_key(query.text) for query in curated}
    made = [query for query in made if query_key(query.text) not in taken]
    curated = curated[: max(most // 2, most - len(made))]
    made = made[: most - len(curated)]
    sets = (
        QuerySet(name="curated-held-out", kind="curated", queries=tuple(curated)),
        QuerySet(name="held-out", kind="held-out", queries=tuple(made)),
    )
    return tuple(one for one in sets if one.queries)


def _judged(test: Sequence[Pair], kept_back: frozenset[str], seed: int) -> list[JudgedQuery]:
    by_key: dict[str, Pair] = {}
    for pair in test:
        if pair.relevant and all(str(document) in kept_back for document in pair.relevant):
            by_key.setdefault(query_key(pair.query), pair)
    chosen = sorted(by_key.items(), key=lambda item: order(seed, item[0]))
    turns: dict[str, int] = {}
    ranked: list[tuple[int, JudgedQuery]] = []
    for key, pair in chosen:
        source = str(pair.origin.document)
        turns[source] = turns.get(source, 0) + 1
        ranked.append((turns[source], _query(key, pair)))
    ranked.sort(key=lambda item: item[0])
    return [query for _, query in ranked]


def _query(key: str, pair: Pair) -> JudgedQuery:
    return JudgedQuery(
        id=digest(key),
        text=pair.query,
        relevant={str(document): 1 for document in pair.relevant},
        language=pair.language,
    )
