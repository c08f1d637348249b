"""A loop of overload, leaving and beginning again gets slower and slower, and ends in hours of quiet."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.pace import Decision
from daemon.relapse import FIRST_WAIT, LONGEST_WAIT, OVERLOADS, STEADY, Relapses, after_leaving, held_back, wait
from jobs.wire import PAUSE, RUN

FREE = Decision(order=RUN, may_start=True, causes=(), reason="nothing is in the way")
causes = st.lists(st.sampled_from([*sorted(OVERLOADS), "power", "disk", "segment", "long-pause"]), max_size=3)


@given(times=st.integers(0, 10**6))
def test_each_wait_is_at_least_as_long_as_the_one_before_and_none_is_endless(times: int) -> None:
    assert 0.0 <= wait(times) <= wait(times + 1) <= LONGEST_WAIT


@given(before=st.builds(Relapses, times=st.integers(0, 50)), causes=causes, worked=st.floats(0, 1e6))
def test_only_what_the_work_may_have_caused_counts(before: Relapses, causes: list[str], worked: float) -> None:
    after = after_leaving(before, causes=causes, worked=worked, now=100.0)
    if not OVERLOADS & set(causes):
        assert after == before
    else:
        assert after.times == (1 if worked >= STEADY else before.times + 1)


def test_a_day_of_collapses_is_a_few_tries() -> None:
    relapses, now, tries = Relapses(), 0.0, 0
    while now < 86_400:
        tries += 1
        now += 60.0
        relapses = after_leaving(relapses, causes=("swap",), worked=60.0, now=now)
        now = max(now, relapses.until)
    assert tries <= 10


def test_it_waits_in_words_and_then_goes_on() -> None:
    once = after_leaving(Relapses(), causes=("swap",), worked=60.0, now=0.0)
    assert held_back(FREE, once, 0.0) == FREE
    twice = after_leaving(once, causes=("swap", "speed"), worked=60.0, now=100.0)
    held = held_back(FREE, twice, 200.0)
    assert (held.order, held.may_start) == (PAUSE, False)
    assert "2 times in a row (swap, speed): it waits 15 minutes" in held.reason
    assert held_back(FREE, twice, 100.0 + FIRST_WAIT) == FREE
