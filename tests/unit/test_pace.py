"""Severe readings stop, unknown ones only slow, and nothing flaps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.load import load_settings
from config.settings import GovernorSettings
from daemon.pace import (
    CLOSES_AFTER,
    OPENS_AFTER,
    Decision,
    Grade,
    PaceState,
    Work,
    decide,
    in_quiet_hours,
    longest_pause,
)
from daemon.readings import Power, Readings, Unknown
from jobs.wire import LEAVE, PAUSE, RUN, slow
from tests.fakes.readings import FINE

NIGHT = time(3, 0)
RESERVE = 5_000_000_000
DEFAULTS = load_settings(Path("absent.toml")).governor
TRAINING = Work(training=True)
MEASURING = Work(training=False)
BLIND = Readings()
EVERY = 5.0
works = st.none() | st.builds(
    Work, training=st.booleans(), seconds=st.floats(0, 2000), share=st.none() | st.floats(0, 2)
)


def settings(**changes: Any) -> GovernorSettings:
    return msgspec.structs.replace(DEFAULTS, **changes)


def but(**changes: Any) -> Readings:
    return msgspec.structs.replace(FINE, **changes)


def decisions(
    readings: Sequence[Readings],
    work: Work | None = TRAINING,
    chosen: GovernorSettings = DEFAULTS,
    *,
    wall: time = NIGHT,
    every: float = EVERY,
    state: PaceState | None = None,
) -> list[Decision]:
    """One decision a sample."""
    state, made = state or PaceState(), []
    for number, sample in enumerate(readings):
        decision, state = decide(state, sample, work, chosen, reserve=RESERVE, now=100.0 + number * every, wall=wall)
        made.append(decision)
    return made


def last(readings: Sequence[Readings], *rest: Any, **options: Any) -> Decision:
    return decisions(readings, *rest, **options)[-1]


def test_a_machine_at_rest_runs_at_full_speed() -> None:
    decision = last([FINE] * 3)
    assert (decision.order, decision.may_start, decision.causes) == (RUN, True, ())


@pytest.mark.parametrize(
    ("readings", "order", "words"),
    [
        (but(heat="moderate"), slow(0.5), "thermal pressure is moderate"),
        (but(heat="heavy"), PAUSE, "thermal pressure is heavy"),
        (but(heat="critical"), LEAVE, "thermal pressure is critical"),
        (but(memory="tight"), slow(0.5), "memory is tight"),
        (but(memory="critical"), LEAVE, "memory is critical"),
        (but(swap_growth=200 << 20), slow(0.5), "swap grew by 200 MB in a minute"),
        (but(swap_growth=1 << 30), LEAVE, "swap grew by 1024 MB in a minute"),
        (but(free_disk=1500 << 20), PAUSE, "the disk has only 1500 MB left"),
        (but(free_disk=5 << 20), LEAVE, "the disk has only 5 MB left"),
        (but(power=Power(source="battery", percent=80)), PAUSE, "the machine runs on battery (80 % left)"),
        (but(power=Power(source="battery", percent=12)), LEAVE, "the battery is low (12 % left)"),
        (but(power=Power(source="ups")), PAUSE, "the machine runs on its emergency supply"),
        (but(low_power=True), slow(0.5), "low-power mode is on"),
        (but(idle=3.0), slow(0.5), "somebody uses the machine"),
        (but(load=9.0), slow(0.5), "the load is 9.0 a processor"),
        (but(heat=Unknown(reason="no sensor")), slow(0.2), "thermal pressure is unknown (no sensor)"),
    ],
)
def test_each_reading_has_its_say_in_words(readings: Readings, order: object, words: str) -> None:
    decision = last([readings] * 4)
    assert (decision.order, decision.reason) == (order, words)
    assert decision.may_start == (order not in (PAUSE, LEAVE))


def test_the_owner_decides_what_use_and_battery_mean() -> None:
    unplugged, used = but(power=Power(source="battery", percent=80)), but(idle=1.0)
    assert last([unplugged] * 4, chosen=settings(on_battery="run")).order == RUN
    assert last([used] * 4, chosen=settings(while_in_use="pause")).order == PAUSE


def test_a_short_peak_changes_nothing_but_a_severe_one_acts_at_once() -> None:
    assert last([FINE, but(heat="heavy"), FINE]).order == RUN
    assert last([FINE, but(memory="critical")]).order == LEAVE


def test_it_goes_on_only_after_a_while_of_calm_and_says_so() -> None:
    made = decisions([but(heat="heavy")] * 4 + [FINE] * 40)
    paused = [decision.order == PAUSE for decision in made]
    calm = paused[4:].index(False) * EVERY
    assert OPENS_AFTER[Grade.PAUSE] <= calm <= OPENS_AFTER[Grade.PAUSE] + EVERY
    assert made[5].reason == "thermal pressure is heavy; it is better now, and must stay so for 120 s"
    assert made[-1].order == RUN


def test_a_long_pause_gives_the_memory_of_a_training_back() -> None:
    readings = [but(power=Power(source="battery", percent=80))] * 140
    assert last(readings[:100]).order == PAUSE
    assert last(readings).order == LEAVE
    assert "memory is given back" in last(readings).reason
    assert last(readings, MEASURING).order == LEAVE, "it begins again, as it would after a crash"
    assert not last(readings, None).may_start


def test_what_must_begin_again_is_kept_for_as_long_as_it_had_worked() -> None:
    unplugged = [but(power=Power(source="battery", percent=80))] * 400
    worked = msgspec.structs.replace(MEASURING, seconds=1500.0)
    assert last(unplugged[:290], worked).order == PAUSE
    assert last(unplugged, worked).order == LEAVE
    assert last(unplugged[:290], msgspec.structs.replace(worked, training=True)).order == LEAVE


@given(work=works)
def test_no_work_leaves_before_the_longest_pause_and_none_holds_memory_for_longer_than_it_worked(
    work: Work | None,
) -> None:
    pause = longest_pause(work, DEFAULTS)
    assert DEFAULTS.longest_pause <= pause <= max(DEFAULTS.longest_pause, work.seconds if work else 0.0)


@given(free=st.integers(0, 1 << 40), reserve=st.integers(0, 1 << 40))
def test_the_disk_stops_work_only_when_others_use_up_the_reserve(free: int, reserve: int) -> None:
    decision, _ = decide(PaceState(), but(free_disk=free), TRAINING, DEFAULTS, reserve=reserve, now=0.0, wall=NIGHT)
    assert decision.order == RUN or free < reserve
    assert decision.order == LEAVE or free >= reserve / 5


def test_a_full_disk_stops_what_runs_and_leaves_starting_to_those_who_know_the_room_it_takes() -> None:
    assert last([but(free_disk=0)], TRAINING).order == LEAVE
    assert last([but(free_disk=0)], None).may_start


def test_severe_pressure_sends_away_whatever_runs() -> None:
    assert last([but(memory="critical")], MEASURING).order == LEAVE


def test_a_collapse_of_speed_stops_a_training() -> None:
    collapsed = msgspec.structs.replace(TRAINING, share=0.05)
    decision = last([FINE], collapsed)
    assert (decision.order, decision.reason) == (LEAVE, "training fell to 5% of its own speed")
    assert last([FINE], msgspec.structs.replace(TRAINING, share=0.5)).order == RUN


def test_after_a_segment_it_cools_down_and_goes_on() -> None:
    chosen = settings(segment=1200.0, cool_down=90.0)
    _, state = decide(
        PaceState(), FINE, Work(training=True, seconds=1199.0), chosen, reserve=RESERVE, now=10.0, wall=NIGHT
    )
    decision, state = decide(
        state, FINE, Work(training=True, seconds=1201.0), chosen, reserve=RESERVE, now=15.0, wall=NIGHT
    )
    assert decision.order == LEAVE and decision.reason == "cools down for 90 s after 1200 s of training"
    decision, state = decide(state, FINE, None, chosen, reserve=RESERVE, now=60.0, wall=NIGHT)
    assert not decision.may_start
    decision, state = decide(state, FINE, None, chosen, reserve=RESERVE, now=106.0, wall=NIGHT)
    assert decision.may_start and decision.order == RUN


def test_quiet_hours_pause() -> None:
    chosen = settings(quiet_hours=["08:30-12:00", "22:00-06:00"])
    assert last([FINE] * 4, chosen=chosen, wall=time(23, 15)).reason == "these are quiet hours"
    assert last([FINE] * 4, chosen=chosen, wall=time(23, 15)).order == PAUSE
    assert last([FINE] * 4, chosen=chosen, wall=time(7, 0)).order == RUN


@given(hour=st.times())
def test_quiet_hours_over_midnight_are_those_outside_the_rest_of_the_day(hour: time) -> None:
    assert in_quiet_hours(hour, ["21:00-06:30"]) != in_quiet_hours(hour, ["06:30-21:00"])


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


def test_a_blind_start_is_slow_and_no_more() -> None:
    assert last([BLIND] * 10).order == slow(0.2)
