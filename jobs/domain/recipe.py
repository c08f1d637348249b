"""How firmly a target is trained, decided from the measured baseline."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

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
