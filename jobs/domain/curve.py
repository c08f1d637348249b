"""A training's curve, kept short: a chart needs some hundred points, however long the training was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

MOST_POINTS = 200

Point = TypeVar("Point")


def superfluous(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """The points to drop so that at most ``most`` (2 or more) stay: first, last and evenly spaced ones between."""
    if len(points) <= most:
        return []
    kept = {round(place * (len(points) - 1) / (most - 1)) for place in range(most)}
    return [point for place, point in enumerate(points) if place not in kept]
