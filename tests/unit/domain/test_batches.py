"""Training batches: everyone once, nobody beside a double, lengths together, and the same each time."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.batches import plan_batches

EXAMPLES = st.lists(
    st.tuples(
        st.integers(min_value=1, max_value=512), st.frozensets(st.integers(min_value=0, max_value=30), max_size=3)
    ),
    max_size=120,
)


def _plan(examples: list[tuple[int, frozenset[int]]], size: int, epochs: int = 1) -> list[list[int]]:
    lengths = [length for length, _ in examples]
    return plan_batches(lengths, [frozenset(keys) for _, keys in examples], batch_size=size, epochs=epochs, seed=7)


@given(EXAMPLES, st.integers(min_value=2, max_value=16))
def test_no_two_examples_of_a_batch_share_a_key(examples: list[tuple[int, frozenset[int]]], size: int) -> None:
    for batch in _plan(examples, size):
        assert 2 <= len(batch) <= size
        shared = Counter(key for index in batch for key in examples[index][1])
        assert all(count == 1 for count in shared.values())


@given(EXAMPLES, st.integers(min_value=2, max_value=16))
def test_an_example_comes_up_at_most_once_an_epoch(examples: list[tuple[int, frozenset[int]]], size: int) -> None:
    seen = Counter(index for batch in _plan(examples, size) for index in batch)
    assert all(count == 1 for count in seen.values())


@given(st.integers(min_value=2, max_value=300), st.integers(min_value=2, max_value=32))
def test_examples_that_share_nothing_lose_at_most_one(count: int, size: int) -> None:
    batches = plan_batches([1] * count, [frozenset()] * count, batch_size=size, epochs=1, seed=7)
    assert count - sum(map(len, batches)) <= 1


def test_every_epoch_is_dealt_anew_and_the_same_seed_deals_the_same() -> None:
    examples = [(length, frozenset({length})) for length in range(1, 200)]
    plan = _plan(examples, 16, epochs=2)
    assert plan == _plan(examples, 16, epochs=2)
    half = len(plan) // 2
    assert plan[:half] != plan[half:]


def test_batches_of_about_one_length_pad_much_less_than_shuffled_ones() -> None:
    chance = random.Random(3)
    lengths = [chance.randint(10, 256) for _ in range(2000)]
    planned = plan_batches(lengths, [frozenset()] * 2000, batch_size=32, epochs=1, seed=7)
    shuffled = [list(range(start, min(start + 32, 2000))) for start in range(0, 2000, 32)]

    def padded(batches: list[list[int]]) -> int:
        return sum(len(batch) * max(lengths[index] for index in batch) for batch in batches)

    assert padded(planned) < 0.65 * padded(shuffled)
