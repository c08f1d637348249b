"""The gate's values: what the arms answered and scored, how they compare, and the verdict.

The rules that lead from one to the other are in judgement.py and comparison.py. They need numpy;
this file doesn't, so that whoever only reads a verdict stays light.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from jobs.domain.artifacts import Parity
from jobs.domain.examples import JudgedQuery, QuerySet, Target

ArmName = Literal["none", "current", "candidate"]
Outcome = Literal["promote", "reject", "cannot-tell"]
SetKind = Literal["primary", "guard", "shown"]
Standing = Literal["gain", "loss", "held", "broken", "unclear", "not-judged"]
Rule = Literal[
    "parity",
    "must-pass",
    "too-few-queries",
    "latency",
    "fallback",
    "primary-loss",
    "guard-broken",
    "gain-not-shown",
    "guard-unclear",
    "gain-shown",
]
METRICS = ("RR@10", "P@5", "nDCG@10", "Success@5")
DECISIVE_METRIC = "nDCG@10"
MUST_PASS_METRIC = "Success@5"


class Answer(Struct, frozen=True, kw_only=True):
    """One query answered by one arm: ranked ``str(DocumentId)``s, best first, and the time it took."""

    query: str
    """The JudgedQuery's id."""
    documents: tuple[str, ...]
    milliseconds: float
    expansion: tuple[str, ...] = ()
    fell_back: bool = False
    """The expansion model gave nothing usable and QMD put its own lines in its place."""


class QueryScore(Struct, frozen=True, kw_only=True):
    """The metrics of one answer, each 0 to 1, keyed by METRICS."""

    query: str
    metrics: dict[str, float]


class ScoredSet(Struct, frozen=True, kw_only=True):
    """A query set with what every arm that was asked scored and answered on it, one of each a query."""

    query_set: QuerySet
    scores: dict[ArmName, tuple[QueryScore, ...]]
    answers: dict[ArmName, tuple[Answer, ...]]


class Row(Struct, frozen=True, kw_only=True):
    """One query of one set with every arm's metrics."""

    set_name: str
    curated: bool
    query: JudgedQuery
    metrics: dict[ArmName, dict[str, float]]

    @property
    def key(self) -> tuple[str, str]:
        return self.set_name, self.query.id


class MetricComparison(Struct, frozen=True, kw_only=True):
    """One metric's means, and the candidate's mean gain over the reference arm with what is known of it.

    The reference is the current model or, where none is in place yet, the arm without one.
    """

    metric: str
    none: float | None
    current: float | None
    candidate: float
    delta: float
    low: float
    """Lower end of the 95 % interval of ``delta``."""
    high: float
    floor: float
    """One-sided 95 % bound: the gain is at least this (a negative one: the loss at most that)."""
    p: float
    """One-sided: how often a candidate that is no better would look this good."""
    minimum_detectable_effect: float
    """The smallest true gain that this many queries show in four cases of five."""


class SetComparison(Struct, frozen=True, kw_only=True):
    """One group of queries: a query set, a half of one, a language, or several sets pooled."""

    name: str
    kind: SetKind
    standing: Standing
    queries: int
    comparisons: tuple[MetricComparison, ...]
    must_pass_failed: tuple[str, ...]
    """Ids of must-pass queries that the reference arm answers and the candidate doesn't."""


class Speed(Struct, frozen=True, kw_only=True):
    """Median answer time and share of answers that fell back, per arm. None where there is nothing to compare with."""

    current_milliseconds: float | None
    candidate_milliseconds: float | None
    latency_ratio: float | None
    current_fallback: float | None
    candidate_fallback: float | None
    fallback_p: float | None
    """One-sided sign test: how often a candidate that falls back no more would look this bad."""


class Verdict(Struct, frozen=True, kw_only=True):
    """What the gate decided and everything it decided on."""

    target: Target
    outcome: Outcome
    rule: Rule
    """The one that decided."""
    reason: str
    alpha: float
    """In force for this judging, after what earlier ones on the same queries have spent."""
    reference: ArmName
    sets: tuple[SetComparison, ...]
    parity: Parity
    speed: Speed
    most_informative: tuple[str, ...] = ()
    """Ids of the queries whose judgement would help most, when the outcome is cannot-tell."""
