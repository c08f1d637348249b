"""From scored query sets to comparisons: which queries are judged together, and what their figures are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from msgspec import Struct

from config.settings import GateSettings
from jobs.domain.gates import (
    DECISIVE_METRIC,
    METRICS,
    MUST_PASS_METRIC,
    ArmName,
    MetricComparison,
    Row,
    ScoredSet,
    SetComparison,
    SetKind,
    Standing,
)
from jobs.domain.statistics import (
    RESAMPLES,
    Matrix,
    bootstrap_quantiles,
    flips_for,
    minimum_detectable_effect,
    sign_flip_p,
)

_UNKNOWN_LANGUAGE = "und"
_SHARES = (0.025, 0.975, 0.05)  # of the bootstrap means: low, high, floor


class Group(Struct, frozen=True, kw_only=True):
    """Queries that are judged together."""

    name: str
    kind: SetKind
    rows: tuple[Row, ...]


class Terms(Struct, frozen=True, kw_only=True):
    """What every comparison of one judging shares."""

    reference: ArmName
    alpha: float
    settings: GateSettings
    seed: int = 0
    resamples: int = RESAMPLES


def rows_of(sets: Sequence[ScoredSet]) -> tuple[Row, ...]:
    """Every query with its scores, sorted. Raises ValueError if an arm that was asked lacks a query's score."""
    return tuple(sorted((row for scored in sets for row in _rows_of_set(scored)), key=lambda row: row.key))


def _rows_of_set(scored: ScoredSet) -> Iterator[Row]:
    by_arm = {arm: {score.query: score.metrics for score in scores} for arm, scores in scored.scores.items()}
    query_set = scored.query_set
    for query in query_set.queries:
        if missing := [arm for arm, metrics in by_arm.items() if query.id not in metrics]:
            raise ValueError(f"query {query.id} of {query_set.name} has no score for {', '.join(missing)}")
        yield Row(
            set_name=query_set.name,
            curated=query_set.kind == "curated",
            query=query,
            metrics={arm: metrics[query.id] for arm, metrics in by_arm.items()},
        )


def reference_arm(rows: Sequence[Row]) -> ArmName:
    """The current model, or the arm without one where none is in place."""
    return "current" if all("current" in row.metrics for row in rows) else "none"


def primary_rows(rows: Sequence[Row], fewest: int) -> tuple[Row, ...]:
    """The queries that decide: the owner's own if there are enough, else the held-out ones, else all together.

    Empty when even all together are fewer than ``fewest``.
    """
    curated = tuple(row for row in rows if row.curated)
    held_out = tuple(row for row in rows if not row.curated)
    return next((pool for pool in (curated, held_out, tuple(rows)) if pool and len(pool) >= fewest), ())


def groups_of(rows: Sequence[Row], fewest: int) -> tuple[Group, ...]:
    """The primary group, then its halves, every set with its halves, and every language.

    A group of the very queries of an earlier one is left out; one under ``fewest`` queries is shown only.
    """
    primary = primary_rows(rows, fewest)
    names = sorted({row.set_name for row in rows})
    candidates: list[tuple[str, tuple[Row, ...]]] = []
    if primary:
        candidates += _with_halves(_pool_name(primary), primary)
    for name in names:
        candidates += _with_halves(name, tuple(row for row in rows if row.set_name == name))
    for language in sorted({row.query.language for row in rows} - {_UNKNOWN_LANGUAGE}):
        candidates.append((f"language {language}", tuple(row for row in rows if row.query.language == language)))
    return tuple(
        Group(name=name, kind=_kind(members, primary, fewest), rows=members) for name, members in _distinct(candidates)
    )


def _pool_name(primary: Sequence[Row]) -> str:
    names = {row.set_name for row in primary}
    return names.pop() if len(names) == 1 else "pooled"


def _with_halves(name: str, rows: tuple[Row, ...]) -> list[tuple[str, tuple[Row, ...]]]:
    return [
        (name, rows),
        (f"{name}, seen", tuple(row for row in rows if row.query.seen)),
        (f"{name}, unseen", tuple(row for row in rows if not row.query.seen)),
    ]


def _distinct(candidates: Iterable[tuple[str, tuple[Row, ...]]]) -> Iterator[tuple[str, tuple[Row, ...]]]:
    known: set[frozenset[tuple[str, str]]] = {frozenset()}
    for name, rows in candidates:
        members = frozenset(row.key for row in rows)
        if members not in known:
            known.add(members)
            yield name, rows


def _kind(rows: tuple[Row, ...], primary: tuple[Row, ...], fewest: int) -> SetKind:
    if rows == primary:
        return "primary"
    return "guard" if len(rows) >= fewest else "shown"


def compare(group: Group, terms: Terms) -> SetComparison:
    """The group's figures, metric by metric, and where the decisive one leaves it."""
    arms = {arm: _matrix(group.rows, arm) for arm in _arms_of(group.rows)}
    differences = arms["candidate"] - arms[terms.reference]
    p = sign_flip_p(differences, seed=terms.seed, flips=flips_for(terms.alpha))
    low, high, floor = bootstrap_quantiles(differences, _SHARES, seed=terms.seed, resamples=terms.resamples)
    detectable = minimum_detectable_effect(differences, alpha=terms.alpha)
    comparisons = tuple(
        MetricComparison(
            metric=metric,
            none=_mean(arms.get("none"), column),
            current=_mean(arms.get("current"), column),
            candidate=float(arms["candidate"][:, column].mean()),
            delta=float(differences[:, column].mean()),
            low=float(low[column]),
            high=float(high[column]),
            floor=float(floor[column]),
            p=float(p[column]),
            minimum_detectable_effect=float(detectable[column]),
        )
        for column, metric in enumerate(METRICS)
    )
    return SetComparison(
        name=group.name,
        kind=group.kind,
        standing=standing(group.kind, comparisons[METRICS.index(DECISIVE_METRIC)], terms),
        queries=len(group.rows),
        comparisons=comparisons,
        must_pass_failed=_must_pass_failed(group.rows, terms.reference),
    )


def standing(kind: SetKind, decisive: MetricComparison, terms: Terms) -> Standing:
    """Primary: a gain, a loss or unclear. Guard: held if a loss beyond the margin is ruled out, broken if
    there is a loss for certain or one beyond the margin on average, else unclear."""
    if kind == "shown":
        return "not-judged"
    if kind == "primary":
        if decisive.high < 0.0:
            return "loss"
        gained = decisive.delta > 0.0 and decisive.low > 0.0 and decisive.p <= terms.alpha
        return "gain" if gained else "unclear"
    margin = terms.settings.guard_margin
    if decisive.high < 0.0 or decisive.delta < -margin:
        return "broken"
    return "held" if decisive.floor >= -margin else "unclear"


def mean_score(rows: Sequence[Row], arm: ArmName) -> float:
    """Mean of the decisive metric; 0 without queries."""
    return sum(row.metrics[arm][DECISIVE_METRIC] for row in rows) / len(rows) if rows else 0.0


def _arms_of(rows: Sequence[Row]) -> list[ArmName]:
    arms: tuple[ArmName, ...] = ("none", "current", "candidate")
    return [arm for arm in arms if all(arm in row.metrics for row in rows)]


def _matrix(rows: Sequence[Row], arm: ArmName) -> Matrix:
    return np.array([[row.metrics[arm][metric] for metric in METRICS] for row in rows], dtype=np.float64)


def _mean(scores: Matrix | None, column: int) -> float | None:
    return None if scores is None else float(scores[:, column].mean())


def _must_pass_failed(rows: Sequence[Row], reference: ArmName) -> tuple[str, ...]:
    return tuple(
        row.query.id
        for row in rows
        if row.query.must_pass
        and row.metrics[reference][MUST_PASS_METRIC] > 0.0
        and row.metrics["candidate"][MUST_PASS_METRIC] == 0.0
    )
