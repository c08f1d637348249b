"""Whatever is read, in whatever order: nothing flaps, worse is never milder, the unknown slows, and calm ends it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from daemon.pace import CLOSES_AFTER, OPENS_AFTER, Decision, Grade, PaceState, Work, decide
from daemon.readings import Power, Readings, Unknown
from jobs.wire import RUN, slow
from tests.fakes.readings import FINE
from tests.unit.deciding import DEFAULTS, EVERY, MEASURING, NIGHT, RESERVE, TRAINING, but, decisions, last, works

heats = ["nominal", "moderate", "heavy", "critical"]
memories = ["normal", "tight", "critical"]
unknown = st.just(Unknown(reason="broken"))
powers = st.builds(Power, source=st.sampled_from(["mains", "battery", "ups"]), percent=st.none() | st.integers(0, 100))
readings = st.builds(
    Readings,
    heat=st.sampled_from(heats) | unknown,
    memory=st.sampled_from(memories) | unknown,
    swap_growth=st.integers(0, 1 << 31) | unknown,
    free_disk=st.integers(0, 1 << 33) | unknown,
    power=powers | unknown,
    low_power=st.booleans() | unknown,
    idle=st.floats(0, 300) | unknown,
    load=st.floats(0, 6) | unknown,
)


def severity(decision: Decision) -> tuple[int, float]:
    return ["run", "slow", "pause", "checkpoint-and-exit"].index(decision.order.kind), decision.order.rest


@given(samples=st.lists(readings, min_size=1, max_size=60), work=works)
def test_no_grade_comes_and_goes_faster_than_its_calm(samples: list[Readings], work: Work | None) -> None:
    state = PaceState()
    closed = [dict.fromkeys(OPENS_AFTER, False)]
    for number, sample in enumerate(samples):
        _, state = decide(state, sample, work, DEFAULTS, reserve=RESERVE, now=number * EVERY, wall=NIGHT)
        closed.append({grade: latch.closed for grade, latch in state.latches.items()})
    for grade, calm in OPENS_AFTER.items():
        flips = [number * EVERY for number, (a, b) in enumerate(pairwise(closed)) if a[grade] != b[grade]]
        assert all(opening - closing >= calm for closing, opening in zip(flips[::2], flips[1::2], strict=False))


@given(bad=readings, period=st.integers(1, 4))
def test_a_reading_on_the_edge_does_not_make_the_work_flap(bad: Readings, period: int) -> None:
    """Up and down every few seconds for twenty minutes: the pace changes a few times at most, at the beginning."""
    samples = [bad if number // period % 2 else FINE for number in range(240)]
    orders = [decision.order for decision in decisions(samples, MEASURING)]
    assert sum(a != b for a, b in pairwise(orders)) <= 4


@given(samples=st.lists(st.tuples(readings, readings), min_size=1, max_size=50), work=works)
def test_worse_readings_never_make_a_milder_pace(samples: list[tuple[Readings, Readings]], work: Work | None) -> None:
    better = decisions([_the(max_or_min=0, pair=pair) for pair in samples], work)
    worse = decisions([_the(max_or_min=1, pair=pair) for pair in samples], work)
    assert all(severity(a) <= severity(b) for a, b in zip(better, worse, strict=True))


def _the(max_or_min: int, pair: tuple[Readings, Readings]) -> Readings:
    """Field by field the better (0) or the worse (1) of two samples; both unknown if one is."""
    chosen: dict[str, Any] = {}
    orders: dict[str, Any] = {
        "heat": heats.index,
        "memory": memories.index,
        "free_disk": lambda free: -free,
        "idle": lambda idle: -idle,
        "power": lambda power: severity(last([but(power=power)] * 4)),
    }
    for name in Readings.__struct_fields__:
        both = [getattr(sample, name) for sample in pair]
        if any(isinstance(value, Unknown) for value in both):
            chosen[name] = Unknown(reason="broken")
        else:
            chosen[name] = sorted(both, key=orders.get(name, float))[max_or_min]
    return Readings(**chosen)


@given(
    unknown_fields=st.sets(st.sampled_from(Readings.__struct_fields__), min_size=1),
    seconds=st.floats(0, 1e6),
    work=works,
)
def test_what_is_unknown_slows_and_never_stops(unknown_fields: set[str], seconds: float, work: Work | None) -> None:
    if work is not None:
        work = msgspec.structs.replace(work, share=None)
    blind = but(**dict.fromkeys(unknown_fields, Unknown(reason="broken")))
    for every in (EVERY, seconds):
        made = decisions([blind] * 30, work, every=every)
        assert all(decision.order in (RUN, slow(DEFAULTS.rest_unknown)) and decision.may_start for decision in made)
    assert made[-1].order == slow(DEFAULTS.rest_unknown) or seconds * 30 < CLOSES_AFTER[Grade.EASE] + seconds


@given(seen=st.lists(st.tuples(st.floats(-1e6, 1e6), readings), min_size=1, max_size=20))
def test_a_clock_that_jumps_back_is_as_one_that_stood_still(seen: list[tuple[float, Readings]]) -> None:
    jumping, standing, highest = PaceState(), PaceState(), float("-inf")
    for moment, sample in seen:
        highest = max(highest, moment)
        heard, jumping = decide(jumping, sample, TRAINING, DEFAULTS, reserve=RESERVE, now=moment, wall=NIGHT)
        expected, standing = decide(standing, sample, TRAINING, DEFAULTS, reserve=RESERVE, now=highest, wall=NIGHT)
        assert heard == expected


@given(samples=st.lists(readings, max_size=60), work=works)
def test_whatever_happened_ten_minutes_of_calm_ends_it(samples: list[Readings], work: Work | None) -> None:
    if work is not None:
        work = msgspec.structs.replace(work, share=None)
    assert last([*samples, *[FINE] * 130], work).order == RUN
