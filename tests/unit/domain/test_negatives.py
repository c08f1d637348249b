"""Hard negatives: near the query, but never a right answer."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.negatives import choose_negatives

SCORES = st.lists(st.floats(min_value=-1, max_value=1, width=32), min_size=1, max_size=40)


def _choose(scores: list[float], positive: int, forbidden: set[int], count: int, margin: float = 0.1) -> list[int]:
    chance = np.random.default_rng(7)
    row = np.array(scores, dtype=np.float32)
    return choose_negatives(row, positive, forbidden, count=count, margin=margin, chance=chance)


@given(SCORES, st.data(), st.integers(min_value=0, max_value=5))
def test_a_right_or_related_passage_is_never_a_negative(scores: list[float], data: st.DataObject, count: int) -> None:
    places = st.integers(min_value=0, max_value=len(scores) - 1)
    positive, forbidden = data.draw(places), data.draw(st.sets(places))
    chosen = _choose(scores, positive, forbidden, count)
    assert not {positive, *forbidden} & set(chosen)
    assert len(set(chosen)) == len(chosen) == min(count, len(scores) - len({positive, *forbidden}))


def test_the_hardest_passage_clear_of_the_margin_comes_first() -> None:
    assert _choose([0.80, 0.75, 0.70, 0.60], positive=0, forbidden=set(), count=2) == [2, 3]


def test_where_the_margin_leaves_too_few_others_fill_up() -> None:
    assert set(_choose([0.80, 0.79, 0.10], positive=0, forbidden=set(), count=2)) == {1, 2}
