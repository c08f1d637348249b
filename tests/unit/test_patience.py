"""A silent worker is told from one that rests, and what hangs from what takes long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.patience import LONGEST_LOOK, Silence, patience
from jobs.wire import PAUSE, RUN, STAGE_ORDER, Order, Stage, slow

elapsed = st.floats(min_value=0.0, max_value=LONGEST_LOOK)
orders = st.one_of(st.just(RUN), st.just(PAUSE), st.floats(min_value=0.0, max_value=0.95).map(slow))


@given(looks=st.lists(st.tuples(elapsed, orders), max_size=30))
def test_a_silence_is_no_longer_than_the_work_in_it(looks: list[tuple[float, Order]]) -> None:
    silence = Silence()
    for seconds, order in looks:
        silence = silence.after(seconds, order)
    worked = sum(seconds * (1 - order.rest) for seconds, order in looks if order != PAUSE)
    assert silence.seconds == pytest.approx(worked)


@given(seconds=elapsed)
def test_a_pause_however_long_is_no_silence(seconds: float) -> None:
    before = Silence(seconds=12.0)
    assert before.after(seconds, PAUSE) == before


def test_an_hour_that_the_machine_slept_is_no_silence_and_neither_is_a_clock_set_back() -> None:
    assert Silence().after(3600.0, RUN).seconds == LONGEST_LOOK
    assert Silence().after(-5.0, RUN).seconds == 0.0


@pytest.mark.parametrize("stage", STAGE_ORDER)
def test_every_stage_may_be_silent_for_longer_than_the_slowest_call_of_a_tool(stage: Stage) -> None:
    assert patience(stage, 1800.0) > 1800.0
    if stage != "dataset":
        assert patience(stage, 1e6) > 3e6
