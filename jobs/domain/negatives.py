"""Hard negatives: passages that look right and aren't."""

from __future__ import annotations

from collections.abc import Set

import numpy as np
import numpy.typing as npt


def choose_negatives(
    scores: npt.NDArray[np.float32],
    positive: int,
    forbidden: Set[int],
    *,
    count: int,
    margin: float,
    chance: np.random.Generator,
) -> list[int]:
    """``count`` passages (indices into ``scores``), the best-scored first, that may stand as negatives of one query.

    ``scores`` are a model's similarities of the query to every passage. A negative is not the
    ``positive``, not ``forbidden`` (passages of relevant documents) and scores at most
    ``(1 - margin)`` times the positive: what comes nearer may be right. Where the margin leaves too
    few, passages drawn by ``chance`` fill up; fewer than ``count`` only if there are no others.
    """
    allowed = np.ones(len(scores), dtype=bool)
    allowed[[positive, *forbidden]] = False
    ceiling = scores[positive] * (1 - margin) if scores[positive] > 0 else scores[positive]
    clear = np.flatnonzero(allowed & (scores <= ceiling))
    chosen = clear[np.argsort(-scores[clear], kind="stable")[:count]]
    allowed[chosen] = False
    rest = np.flatnonzero(allowed)
    filling = chance.permutation(rest)[: count - len(chosen)] if len(chosen) < count else rest[:0]
    return [int(index) for index in (*chosen, *filling)]
