"""A training's speed is judged by its own, and only when there is enough to judge by."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.stride import Stride


def gone(*stretches: tuple[int, float], every: float = 5.0) -> Stride:
    """Stretches of (looks, steps a second), looked at every ``every`` seconds of work."""
    stride, steps = Stride(), 0.0
    for looks, speed in stretches:
        for _ in range(looks):
            stride = stride.after(every, int(steps))
            steps += speed * every
    return stride


def test_a_collapse_shows_within_two_minutes() -> None:
    share = gone((60, 2.0), (24, 0.01)).share()
    assert share is not None and share < 0.05


def test_a_slow_training_is_not_a_collapsed_one() -> None:
    share = gone((400, 0.02)).share()
    assert share is not None and 0.5 < share < 2.0


def test_too_little_to_judge_by_is_no_judgement() -> None:
    assert Stride().share() is None
    assert gone((10, 2.0)).share() is None
    assert gone((400, 0.0)).share() is None


def test_pauses_are_not_counted_as_work() -> None:
    stride = gone((60, 2.0))
    for _ in range(100):
        stride = stride.after(0.0, stride.marks[-1].step)
    share = stride.share()
    assert share is not None and 0.9 < share < 1.1
    assert stride.worked == 59 * 5.0


@given(speed=st.floats(0.01, 50), looks=st.integers(1, 600), every=st.floats(0.5, 10))
def test_an_even_speed_never_looks_like_a_collapse(speed: float, looks: int, every: float) -> None:
    share = gone((looks, speed), every=every).share()
    assert share is None or share > 0.5


@given(looks=st.lists(st.tuples(st.floats(-10, 100), st.integers(0, 1000)), max_size=500))
def test_it_stays_small_whatever_it_hears(looks: list[tuple[float, int]]) -> None:
    stride = Stride()
    for seconds, step in looks:
        stride = stride.after(seconds, step)
        stride.share()
    assert len(stride.marks) <= 201
