"""The geometry of the page's drawings. Pure: numbers in, coordinates out; the templates make SVG of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

LEFT, RIGHT, TOP, BOTTOM = 44.0, 10.0, 10.0, 24.0
"""Room for the labels around a drawing, in its own units."""
NAMES = 118.0
"""Room for words on the left."""
_STEPS = (1.0, 2.0, 5.0, 10.0)


class Tick(Struct, frozen=True, kw_only=True):
    at: float
    value: float


class Curve(Struct, frozen=True, kw_only=True):
    """A line: ``points`` as SVG's polyline takes them, inside ``width`` × ``height``."""

    width: int
    height: int
    points: str
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    last: tuple[float, float]
    end: float
    """The last value itself."""


class Measured(Struct, frozen=True, kw_only=True):
    """A value with its interval, and what it is the value of."""

    name: str
    kind: str
    value: float
    low: float
    high: float


class Whisker(Struct, frozen=True, kw_only=True):
    measured: Measured
    x: float
    y: float
    low: float
    high: float
    labelled: bool


class Whiskers(Struct, frozen=True, kw_only=True):
    """Values beside each other with their intervals; ``zero`` is the height of nought."""

    width: int
    height: int
    whiskers: tuple[Whisker, ...]
    up: tuple[Tick, ...]
    zero: float


class Scored(Struct, frozen=True, kw_only=True):
    """What a release scored, what the one before it scored on the same queries, and where the 95 % interval of the gain
    puts it. ``at``: seconds. ``anew``: on other queries than the one of its kind before."""

    name: str
    kind: str
    at: float
    before: float
    value: float
    low: float
    high: float
    anew: bool


class Mark(Struct, frozen=True, kw_only=True):
    scored: Scored
    x: float
    y: float
    before: float
    low: float
    high: float


class Course(Struct, frozen=True, kw_only=True):
    """Scores over time. ``lines``: a kind and its points, joined as long as the queries stay; ``cuts``: where they
    changed."""

    width: int
    height: int
    marks: tuple[Mark, ...]
    lines: tuple[tuple[str, str], ...]
    cuts: tuple[float, ...]
    up: tuple[Tick, ...]
    across: tuple[Tick, ...]


class Bar(Struct, frozen=True, kw_only=True):
    name: str
    x: float
    y: float
    width: float


class Strip(Struct, frozen=True, kw_only=True):
    """Bars on a line for each name; ``lines`` are the names with their heights."""

    width: int
    height: int
    bars: tuple[Bar, ...]
    lines: tuple[tuple[str, float], ...]
    across: tuple[Tick, ...]


def strip(
    bars: Sequence[tuple[str, float, float]],
    names: Sequence[str],
    *,
    low: float,
    high: float,
    width: int,
    height: int,
) -> Strip | None:
    """``bars`` are a name, where it begins and where it ends, between ``low`` and ``high``. None without bars."""
    if not bars:
        return None
    step = (height - TOP - BOTTOM) / len(names)
    heights = {name: round(TOP + step * (number + 0.5), 1) for number, name in enumerate(names)}

    def across(value: float) -> float:
        return round(_scaled(value, low, high, NAMES, width - RIGHT), 1)

    return Strip(
        width=width,
        height=height,
        bars=tuple(
            Bar(name=name, x=across(begin), y=heights[name], width=round(max(1.5, across(end) - across(begin)), 1))
            for name, begin, end in bars
        ),
        lines=tuple(heights.items()),
        across=tuple(Tick(at=across(t), value=t) for t in ticks(low, high, most=8) if low <= t <= high),
    )


def curve(values: Sequence[tuple[float, float]], *, width: int, height: int) -> Curve | None:
    """None for fewer than two values. Both axes are fitted to the values; the upright one starts at nought."""
    finite = [(x, y) for x, y in values if math.isfinite(x) and math.isfinite(y)]
    if len(finite) < 2:
        return None
    across = ticks(min(x for x, _ in finite), max(x for x, _ in finite), most=4)
    up = ticks(min(0.0, *(y for _, y in finite)), max(y for _, y in finite), most=4)
    low_x, high_x = finite[0][0], finite[-1][0]
    low_y, high_y = up[0], max(up[-1], *(y for _, y in finite))
    placed = [
        (
            round(_scaled(x, low_x, high_x, LEFT, width - RIGHT), 1),
            round(_scaled(y, low_y, high_y, height - BOTTOM, TOP), 1),
        )
        for x, y in finite
    ]
    return Curve(
        width=width,
        height=height,
        points=" ".join(f"{x},{y}" for x, y in placed),
        across=tuple(
            Tick(at=round(_scaled(t, low_x, high_x, LEFT, width - RIGHT), 1), value=t)
            for t in across
            if low_x <= t <= high_x
        ),
        up=tuple(Tick(at=round(_scaled(t, low_y, high_y, height - BOTTOM, TOP), 1), value=t) for t in up),
        last=placed[-1],
        end=finite[-1][1],
    )


def whiskers(values: Sequence[Measured], *, width: int, height: int) -> Whiskers | None:
    """None without values. Every few names are labelled, so that labels never meet."""
    if not values:
        return None
    up = ticks(min(0.0, *(v.low for v in values)), max(0.01, *(v.high for v in values)), most=5)
    low, high = min(up[0], *(v.low for v in values)), max(up[-1], *(v.high for v in values))
    every = math.ceil(len(values) / 12)

    def upright(value: float) -> float:
        return round(_scaled(value, low, high, height - BOTTOM, TOP), 1)

    return Whiskers(
        width=width,
        height=height,
        whiskers=tuple(
            Whisker(
                measured=one,
                x=round(_scaled(number + 0.5, 0.0, float(len(values)), LEFT, width - RIGHT), 1),
                y=upright(one.value),
                low=upright(one.low),
                high=upright(one.high),
                labelled=(len(values) - 1 - number) % every == 0,
            )
            for number, one in enumerate(values)
        ),
        up=tuple(Tick(at=upright(t), value=t) for t in up),
        zero=upright(0.0),
    )


def course(scores: Sequence[Scored], *, width: int, height: int) -> Course | None:
    """None without scores. The upright axis is fitted to the values: what is looked for is small against the whole."""
    if not scores:
        return None
    up = ticks(min(min(s.low, s.before) for s in scores), max(max(s.high, s.before) for s in scores), most=5)
    low, high = up[0], max(up[-1], *(max(s.high, s.before) for s in scores))
    first, last = min(s.at for s in scores), max(s.at for s in scores)

    def across(at: float) -> float:
        return round(_scaled(at, first, last, LEFT + 30.0, width - RIGHT - 30.0), 1)

    def upright(value: float) -> float:
        return round(_scaled(value, low, high, height - BOTTOM, TOP), 1)

    marks = tuple(
        Mark(
            scored=s,
            x=across(s.at),
            y=upright(s.value),
            before=upright(s.before),
            low=upright(s.low),
            high=upright(s.high),
        )
        for s in sorted(scores, key=lambda one: one.at)
    )
    days = [first + (last - first) * part / 4 for part in range(5)] if last > first else [first]
    return Course(
        width=width,
        height=height,
        marks=marks,
        lines=_joined(marks),
        cuts=tuple((marks[max(0, n - 1)].x + mark.x) / 2 for n, mark in enumerate(marks) if mark.scored.anew),
        up=tuple(Tick(at=upright(t), value=t) for t in up),
        across=tuple(Tick(at=across(day), value=day) for day in days),
    )


def _joined(marks: Sequence[Mark]) -> tuple[tuple[str, str], ...]:
    """A line for each stretch of marks of a kind that were measured on the same queries."""
    stretches: list[tuple[str, list[Mark]]] = []
    latest: dict[str, list[Mark]] = {}
    for mark in marks:
        kind = mark.scored.kind
        if kind not in latest or mark.scored.anew:
            latest[kind] = []
            stretches.append((kind, latest[kind]))
        latest[kind].append(mark)
    return tuple((kind, " ".join(f"{m.x},{m.y}" for m in found)) for kind, found in stretches if len(found) > 1)


def ticks(low: float, high: float, *, most: int) -> tuple[float, ...]:
    """Round numbers from at or under ``low`` up to at most ``high``, evenly spaced, about ``most`` of them."""
    span = high - low
    if not span > 0.0:
        return (low,)
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * factor for factor in _STEPS if span / (power * factor) <= most or factor == _STEPS[-1])
    first, last = math.floor(low / step), math.floor(high / step)
    return tuple(round(number * step, 10) for number in range(first, last + 1))


def _scaled(value: float, low: float, high: float, start: float, end: float) -> float:
    share = 0.5 if high <= low else (value - low) / (high - low)
    return start + share * (end - start)
