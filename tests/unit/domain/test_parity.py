"""Parity is numbers against thresholds, and its problems are those numbers in words."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.artifacts import Parity
from jobs.domain.parity import (
    Embedded,
    Generated,
    Pooling,
    embedding_parity,
    generation_parity,
    neighbour_overlap,
)

MEAN = Pooling(trained="mean", exported="mean")


def vectors(count: int, seed: int = 1, dimensions: int = 8) -> list[tuple[float, ...]]:
    chance = random.Random(seed)
    return [tuple(chance.gauss(0, 1) for _ in range(dimensions)) for _ in range(count)]


def embedded(rows: Sequence[tuple[float, ...]], tokens: tuple[int, ...] = (1, 2)) -> list[Embedded]:
    return [Embedded(tokens=tokens, vector=row) for row in rows]


def compared(trained: list[Embedded], exported: list[Embedded], pooling: Pooling = MEAN) -> Parity:
    return embedding_parity(trained, exported, pooling, least_cosine=0.999, least_overlap=0.9)


@given(seed=st.integers(0, 999), scale=st.floats(0.01, 100), count=st.integers(1, 25))
def test_a_file_with_the_same_vectors_passes_whatever_their_length(seed: int, scale: float, count: int) -> None:
    rows = vectors(count, seed)
    longer = [tuple(value * scale for value in row) for row in rows]
    assert compared(embedded(rows), embedded(longer)).problems == ()


def test_a_turned_vector_is_a_problem_with_its_cosine() -> None:
    angle = math.acos(0.981)
    problems = compared(embedded([(1.0, 0.0)]), embedded([(math.cos(angle), math.sin(angle))])).problems
    assert problems == ("cosine 0.981 under 0.999",)


def test_a_near_miss_is_shown_with_enough_decimals_to_be_seen() -> None:
    angle = math.acos(0.99896)
    problems = compared(embedded([(1.0, 0.0)]), embedded([(math.cos(angle), math.sin(angle))])).problems
    assert problems == ("cosine 0.99896 under 0.999",)


def test_another_pooling_is_a_problem_even_with_equal_vectors() -> None:
    rows = embedded(vectors(3))
    assert compared(rows, rows, Pooling(trained="mean", exported="cls")).problems == (
        "pooling cls in the file, mean in the trained model",
    )


def test_one_odd_text_in_a_hundred_is_forgiven_and_left_out_of_the_cosine() -> None:
    rows = vectors(100)
    exported = embedded(rows)
    exported[7] = Embedded(tokens=(9,), vector=tuple(-value for value in rows[7]))
    parity = compared(embedded(rows), exported)
    assert parity.problems == ()
    assert parity.measures["token_match"] == 0.99


def test_another_tokenizer_is_a_problem() -> None:
    rows = vectors(4)
    problems = compared(embedded(rows), embedded(rows, tokens=(3,))).problems
    assert "share of texts with equal token ids 0.000 under 0.95" in problems


def test_nothing_to_compare_is_a_problem_not_a_pass() -> None:
    assert compared([], []).problems
    assert generation_parity([], [], least_agreement=0.9).problems


def test_not_a_number_is_a_problem() -> None:
    problems = compared(embedded([(1.0, 0.0)]), embedded([(math.nan, 0.0)])).problems
    assert problems and "under 0.999" in problems[0]


def test_vectors_of_another_dimension_are_a_problem() -> None:
    assert compared(embedded([(1.0, 0.0)]), embedded([(1.0, 0.0, 0.0)])).problems == ("cosine 0.000 under 0.999",)


def test_overlap_is_one_for_the_same_space_and_small_for_another() -> None:
    rows = vectors(40)
    assert neighbour_overlap(rows, rows) == 1.0
    assert neighbour_overlap(rows, vectors(40, seed=2)) < 0.6


def test_few_texts_are_not_asked_for_their_ten_neighbours() -> None:
    assert "overlap_top10" not in compared(embedded(vectors(11)), embedded(vectors(11))).measures
    assert "overlap_top10" in compared(embedded(vectors(12)), embedded(vectors(12))).measures


@given(agreeing=st.integers(0, 24))
def test_greedy_agreement_is_the_share_of_equal_steps(agreeing: int) -> None:
    trained = [Generated(tokens=(1,), greedy=(0,) * 24)]
    exported = [Generated(tokens=(1,), greedy=(0,) * agreeing + (1,) * (24 - agreeing))]
    parity = generation_parity(trained, exported, least_agreement=0.9)
    assert parity.measures["greedy_agreement"] == agreeing / 24
    assert (parity.problems == ()) == (agreeing / 24 >= 0.9)
