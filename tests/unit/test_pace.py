"""Severe readings stop, unknown ones only slow, and all of it says why."""

from __future__ import annotations

from datetime import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.pace import OPENS_AFTER, Grade, PaceState, Work, decide, in_quiet_hours, longest_pause
from daemon.readings import Power, Readings, Unknown
from jobs.wire import LEAVE, PAUSE, RUN, slow
from tests.fakes.readings import FINE
from tests.unit.deciding import (
    DEFAULTS,
    EVERY,
    MEASURING,
    NIGHT,
    RESERVE,
    TRAINING,
    but,
    decisions,
    last,
    settings,
    works,
)

BLIND = Readings()


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


def test_a_blind_start_is_slow_and_no_more() -> None:
    assert last([BLIND] * 10).order == slow(0.2)
