"""Between the base and the tuned weights: which share of the tuned ones searches best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def best_share(scores: Mapping[float, float]) -> float:
    """The share of tuned weights (over 0, at most 1) with the best score; of equals the smallest, as the more cautious.

    ``scores`` maps each share to its nDCG@10 on development queries. A score for the base itself
    (share 0) doesn't take part. Raises ValueError if no other share was scored.
    """
    tuned = {share: score for share, score in scores.items() if share > 0}
    if not tuned:
        raise ValueError("no share of the tuned weights was scored")
    return min(tuned, key=lambda share: (-tuned[share], share))


def ndcg_at_10(ranks: Sequence[int], relevant: int) -> float:
    """nDCG@10 with binary relevance (Järvelin and Kekäläinen 2002, gain 1, discount log2(rank + 1)).

    ``ranks`` are the positions, from 1, at which the query's ``relevant`` (at least 1) right answers stand.
    """
    gained = sum(1 / math.log2(rank + 1) for rank in ranks if rank <= 10)
    return gained / sum(1 / math.log2(rank + 1) for rank in range(1, min(relevant, 10) + 1))
