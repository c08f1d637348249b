"""The gate: from per-query scores of the arms to a verdict. Values only here; the rules join them below."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

ArmName = Literal["none", "current", "candidate"]
Outcome = Literal["promote", "reject", "cannot-tell"]
METRICS = ("RR@10", "P@5", "nDCG@10", "Success@5")


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
