from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.learning import learning_rate_at, length_batches, pace_for

LENGTHS = st.lists(st.integers(1, 500), min_size=1, max_size=300)


@given(LENGTHS, st.integers(1, 20), st.integers(0, 5))
def test_every_row_comes_up_once_an_epoch(lengths: list[int], size: int, seed: int) -> None:
    batches = length_batches(lengths, size, seed=seed)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= size for batch in batches)


@given(LENGTHS, st.integers(1, 20))
def test_every_epoch_has_the_same_number_of_batches(lengths: list[int], size: int) -> None:
    assert {len(length_batches(lengths, size, seed=seed)) for seed in range(4)} == {-(-len(lengths) // size)}


@given(LENGTHS, st.integers(1, 20), st.integers(0, 5))
def test_the_order_follows_from_its_arguments_alone(lengths: list[int], size: int, seed: int) -> None:
    assert length_batches(lengths, size, seed=seed) == length_batches(list(lengths), size, seed=seed)


def test_sorting_saves_most_of_the_padding() -> None:
    lengths = [(number * 37) % 200 + 1 for number in range(256)]
    padded = sum(len(batch) * max(lengths[row] for row in batch) for batch in length_batches(lengths, 8, seed=1))
    unsorted = sum(8 * max(lengths[start : start + 8]) for start in range(0, 256, 8))
    assert padded < 0.75 * unsorted


def test_another_epoch_has_another_order() -> None:
    assert length_batches([5] * 50, 4, seed=1) != length_batches([5] * 50, 4, seed=2)


@given(st.integers(1, 500), st.floats(0, 1), st.floats(1e-6, 1e-2))
def test_every_step_learns_and_none_faster_than_the_peak(steps: int, share: float, peak: float) -> None:
    rates = [learning_rate_at(step, steps=steps, warmup_share=share, peak=peak) for step in range(steps)]
    assert all(0 < rate <= peak * (1 + 1e-9) for rate in rates)
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_firm_is_the_recipe_and_gentle_is_less() -> None:
    firm = pace_for("firm", epochs=3, learning_rate=1e-4)
    gentle = pace_for("gentle", epochs=3, learning_rate=1e-4)
    assert (firm.epochs, firm.peak) == (3, 1e-4)
    assert gentle.epochs == 1
    assert gentle.peak == pytest.approx(6e-5)


def test_no_pace_is_set_for_no_training() -> None:
    with pytest.raises(ValueError, match="no training"):
        pace_for("none", epochs=1, learning_rate=1e-4)
