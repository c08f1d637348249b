"""How firmly a target is trained, decided from the measured baseline."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from jobs.domain.examples import Pair

Intensity = Literal["firm", "gentle", "none"]


class Plan(Struct, frozen=True, kw_only=True):
    """What the baseline calls for, with the reason in words."""

    intensity: Intensity
    reason: str


def plan_for_baseline(score: float, *, weak_below: float, strong_above: float, forced: bool) -> Plan:
    """``score`` is the current arm's mean nDCG@10 (0 to 1) on the primary query set."""
    shown = f"current search scores {score:.3f} nDCG@10"
    if score < weak_below:
        return Plan(intensity="firm", reason=f"{shown}, under {weak_below}: train firmly")
    if score <= strong_above:
        return Plan(intensity="gentle", reason=f"{shown}, middling: train gently")
    if forced:
        return Plan(intensity="gentle", reason=f"{shown}, over {strong_above}: train gently, because it was asked for")
    return Plan(intensity="none", reason=f"{shown}, over {strong_above}: already strong, no training")


def learning_rate_factor(step: int, steps: int, warmup_share: float) -> float:
    """The share of the full learning rate before ``step`` (from 0): a linear rise over the warm-up, then a linear fall to 0."""
    warmup = round(steps * warmup_share)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return max(0.0, (steps - step) / max(1, steps - warmup))


def most_telling(pairs: Sequence[Pair], most: int, seed: int) -> list[Pair]:
    """At most ``most`` pairs, in their order: curated ones first, the others drawn by chance."""
    order = list(range(len(pairs)))
    random.Random(seed).shuffle(order)
    order.sort(key=lambda index: pairs[index].origin.generator != "curated")
    return [pairs[index] for index in sorted(order[:most])]
