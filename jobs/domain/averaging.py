"""Between the base and the tuned weights: which share of the tuned ones searches best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

HALF = 0.5
"""What serves best where nothing else is known (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models")."""

Scores = Mapping[str, Sequence[float]]
"""By kind of query, the nDCG@10 of each of its queries, in one order for every share. No kind is empty."""


def best_share(scores: Mapping[float, Scores]) -> float:
    """The share of the tuned weights (over 0, at most 1) nearest the half among those that may well be the best.

    May well be: the best one's lead over it is within one standard error, over the same queries (the rule of one
    standard error, Breiman et al. 1984). A few development queries cannot tell more. The base itself (share 0)
    doesn't take part. Raises ValueError if no other share was scored.
    """
    tuned = {share: found for share, found in scores.items() if share > 0}
    if not tuned:
        raise ValueError("no share of the tuned weights was scored")
    best = max(tuned.values(), key=mean_over_kinds)
    close = [share for share, found in tuned.items() if _lead(best, found) <= _standard_error(best, found)]
    return min(close, key=lambda share: (abs(share - HALF), share))


def mean_over_kinds(scores: Scores) -> float:
    """The mean of each kind's mean; 0 without queries.

    So a few curated queries, which say what the owner asks, count as much as many titles, which any model finds.
    """
    return sum(sum(found) / len(found) for found in scores.values()) / len(scores) if scores else 0.0


def _lead(best: Scores, other: Scores) -> float:
    return mean_over_kinds(best) - mean_over_kinds(other)


def _standard_error(one: Scores, other: Scores) -> float:
    """Of the difference of two means over kinds, the queries being the same."""
    variances = [_variance_of_mean([a - b for a, b in zip(one[kind], other[kind], strict=True)]) for kind in one]
    return math.sqrt(sum(variances)) / max(1, len(variances))


def _variance_of_mean(differences: Sequence[float]) -> float:
    """Of a single difference nothing is known but its size."""
    count = len(differences)
    if count == 1:
        return differences[0] ** 2
    mean = sum(differences) / count
    return sum((difference - mean) ** 2 for difference in differences) / (count - 1) / count


def ndcg_at_10(ranks: Sequence[int], relevant: int) -> float:
    """nDCG@10 with binary relevance (Järvelin and Kekäläinen 2002, gain 1, discount log2(rank + 1)).

    ``ranks`` are the positions, from 1, at which the query's ``relevant`` (at least 1) right answers stand.
    """
    gained = sum(1 / math.log2(rank + 1) for rank in ranks if rank <= 10)
    return gained / sum(1 / math.log2(rank + 1) for rank in range(1, min(relevant, 10) + 1))
