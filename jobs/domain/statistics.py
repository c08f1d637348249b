"""Paired statistics on per-query differences (candidate minus reference).

Every function takes a matrix of differences: one row a query, one column a metric. Each column is
sorted before anything is drawn, so that a result depends on the seed and on which differences there
are, never on the order of the queries.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

RESAMPLES = 10_000
FEWEST_FLIPS = 10_000
MOST_FLIPS = 2_000_000
EXACT_UP_TO = 12
_CELLS_AT_ONCE = 2_000_000  # of a random matrix: 16 MB as float64
_ROUNDING = 1e-9  # sums closer than this share of their terms are equal


def sign_flip_p(differences: Matrix, *, seed: int, flips: int = FEWEST_FLIPS) -> Vector:
    """One-sided p of "the candidate is better", per column, by the paired sign-flip permutation test.

    Exact where at most EXACT_UP_TO differences are not zero (a zero has no sign to flip); otherwise
    from ``flips`` random flips, counting the observed one too, so that p is never 0 (Phipson and Smyth,
    "Permutation p-values should never be zero", 2010). 1 for an empty or all-zero column.
    """
    ordered = np.sort(differences, axis=0)
    many = np.count_nonzero(ordered, axis=0) > EXACT_UP_TO
    result = np.array([1.0 if sampled else _exact_p(ordered[:, column]) for column, sampled in enumerate(many)])
    if many.any():
        result[many] = _sampled_p(ordered[:, many], seed=seed, flips=flips)
    return result


def _exact_p(differences: Vector) -> float:
    nonzero = differences[differences != 0.0]
    choices = (np.arange(1 << len(nonzero))[:, None] >> np.arange(len(nonzero))) & 1
    return float(np.mean(choices @ nonzero <= _tolerance(nonzero)))


def _sampled_p(differences: Matrix, *, seed: int, flips: int) -> Vector:
    """A flipped total reaches the observed one exactly when the flipped part sums to zero or less."""
    generator = np.random.default_rng(seed)
    tolerance = _tolerance(differences)
    as_good = np.zeros(differences.shape[1])
    for rows in _blocks(flips, len(differences)):
        flipped = generator.integers(0, 2, size=(rows, len(differences)), dtype=np.int8).astype(np.float64)
        as_good += np.count_nonzero(flipped @ differences <= tolerance, axis=0)
    return (as_good + 1.0) / (flips + 1.0)


def bootstrap_quantiles(
    differences: Matrix, shares: Sequence[float], *, seed: int, resamples: int = RESAMPLES
) -> Matrix:
    """Quantiles of the mean difference over resampled queries: one row a share, one column a metric.

    The percentile method (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13):
    shares 0.025 and 0.975 bound the 95 % interval. Needs at least one row.
    """
    if len(differences) == 0:
        raise ValueError("a bootstrap needs at least one difference")
    ordered = np.sort(differences, axis=0)
    generator = np.random.default_rng(seed)
    means = [
        ordered[generator.integers(0, len(ordered), size=(rows, len(ordered)))].mean(axis=1)
        for rows in _blocks(resamples, ordered.size)
    ]
    quantiles: Matrix = np.quantile(np.concatenate(means), shares, axis=0)
    return quantiles


def minimum_detectable_effect(differences: Matrix, *, alpha: float, power: float = 0.8) -> Vector:
    """The smallest true mean gain that a one-sided test at ``alpha`` finds with probability ``power``, per column.

    Normal approximation: (z(1 - alpha) + z(power)) times the standard error (Bloom, "Minimum detectable
    effects", Evaluation Review 19, 1995). At most 1, since a metric cannot rise by more.
    """
    queries, metrics = differences.shape
    if queries <= 1 or not 0.0 < alpha < 1.0:
        return np.ones(metrics)
    normal = NormalDist()
    multiplier = normal.inv_cdf(1.0 - alpha) + normal.inv_cdf(power)
    effects: Vector = multiplier * np.std(differences, axis=0, ddof=1) / math.sqrt(queries)
    return effects.clip(max=1.0)


def queries_needed(queries: int, *, effect: float, detectable: float) -> int:
    """How many queries like these would show a true gain of ``effect``, when ``queries`` of them show ``detectable``.

    The detectable effect shrinks with the square root of the number of queries."""
    return math.ceil(queries * (detectable / effect) ** 2)


def sign_test_p(worse: int, better: int) -> float:
    """One-sided exact sign test: how likely at least ``worse`` of all changes are for the worse, by chance."""
    changes = worse + better
    return sum(math.comb(changes, k) for k in range(worse, changes + 1)) / (1 << changes)


def spent_alpha(alpha: float, attempt: int) -> float:
    """What the ``attempt``-th judging (from 1) on the same queries may spend of ``alpha``: alpha / (k (k + 1)).

    The series sums to ``alpha``, so by the union bound the chance of even one false promotion, over
    however many retrains, stays under it.
    """
    if attempt < 1:
        raise ValueError(f"attempts count from 1, not {attempt}")
    return alpha / (attempt * (attempt + 1))


def flips_for(alpha: float) -> int:
    """Enough flips for the smallest p they can give to be far under ``alpha``, within reason."""
    if alpha <= 0.0:
        return FEWEST_FLIPS
    return min(MOST_FLIPS, max(FEWEST_FLIPS, math.ceil(50.0 / alpha)))


def _tolerance(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(_ROUNDING * np.abs(differences).sum(axis=0))


def _blocks(total: int, width: int) -> Iterator[int]:
    """Row counts that add up to ``total``, each block small enough to hold in memory."""
    most = max(1, _CELLS_AT_ONCE // max(1, width))
    for start in range(0, total, most):
        yield min(most, total - start)
