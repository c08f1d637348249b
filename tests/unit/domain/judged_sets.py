"""Made-up answers whose scores are known, and the real gate's judgement of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from config.settings import GateSettings
from jobs.domain.artifacts import Parity
from jobs.domain.examples import JudgedQuery, QuerySet
from jobs.domain.gates import METRICS, Answer, ArmName, MetricComparison, QueryScore, ScoredSet, SetComparison, Verdict
from jobs.domain.judgement import judge

GATE = GateSettings(
    alpha=0.05,
    guard_margin=0.05,
    fewest_queries=20,
    weak_below=0.4,
    strong_above=0.7,
    parity_f16=0.999,
    parity_q8_0=0.995,
    parity_overlap=0.9,
    slowest_ratio=2.0,
    parity_generation=0.9,
    parity_generation_q4=0.8,
)
FAITHFUL = Parity(measures={"cosine": 0.9999}, problems=())
QUICK = 400  # bootstrap resamples where a test judges many times
eighths = st.integers(0, 8).map(lambda number: number / 8)
score_pairs = st.lists(st.tuples(eighths, eighths), min_size=1, max_size=45)


def query_set(name="held-out", *, size=30, kind="held-out", seen=0, language="en", must_pass=0) -> QuerySet:
    """The first ``seen`` queries are seen, the first ``must_pass`` must pass."""
    return QuerySet(
        name=name,
        kind=kind,
        queries=tuple(
            JudgedQuery(
                id=f"{name}-{number}",
                text="",
                relevant={f"notes/{number}.md": 1},
                language=language,
                must_pass=number < must_pass,
                seen=number < seen,
            )
            for number in range(size)
        ),
    )


def scored(
    asked: QuerySet,
    candidate: Sequence[float],
    current: Sequence[float] | None,
    *,
    none: Sequence[float] | None = None,
    milliseconds: tuple[float, float] = (10.0, 10.0),
    fell_back: tuple[int, int] = (0, 0),
) -> ScoredSet:
    """Every metric of a query has the one value given. Pairs are (candidate, current)."""
    values: dict[ArmName, Sequence[float] | None] = {"candidate": candidate, "current": current, "none": none}
    paces = dict(zip(("candidate", "current", "none"), (*milliseconds, 1.0), strict=True))
    fallbacks = dict(zip(("candidate", "current", "none"), (*fell_back, 0), strict=True))
    there = {arm: scores for arm, scores in values.items() if scores is not None}
    return ScoredSet(
        query_set=asked,
        scores={
            arm: tuple(
                QueryScore(query=query.id, metrics=dict.fromkeys(METRICS, float(score)))
                for query, score in zip(asked.queries, scores, strict=True)
            )
            for arm, scores in there.items()
        },
        answers={
            arm: tuple(
                Answer(
                    query=query.id,
                    documents=(f"{arm}.md",),
                    milliseconds=paces[arm],
                    fell_back=number < fallbacks[arm],
                )
                for number, query in enumerate(asked.queries)
            )
            for arm in there
        },
    )


def decide(
    *sets: ScoredSet, parity: Parity = FAITHFUL, gate: GateSettings = GATE, attempt=1, resamples=QUICK
) -> Verdict:
    return judge("embedding", sets, parity, gate, attempt=attempt, resamples=resamples)


def rise(size: int, gain: float, *, start=0.4, seed=1, spread=0.1) -> tuple[list[float], list[float]]:
    """(candidate, current) scores whose mean difference is exactly ``gain``, with noise."""
    noise = np.random.default_rng(seed).normal(0.0, spread, size)
    noise -= noise.mean()
    return list(start + gain + noise), [start] * size


def decisive(group: SetComparison) -> MetricComparison:
    return next(comparison for comparison in group.comparisons if comparison.metric == "nDCG@10")


def primary(verdict: Verdict) -> SetComparison:
    return next(group for group in verdict.sets if group.kind == "primary")


def paired(pairs: Sequence[tuple[float, float]]) -> ScoredSet:
    return scored(query_set(size=len(pairs)), *map(list, zip(*pairs, strict=True)))
