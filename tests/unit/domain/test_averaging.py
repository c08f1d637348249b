"""Choosing between the base and the tuned weights."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.averaging import best_share, ndcg_at_10


def test_the_best_share_wins_and_of_equals_the_smaller() -> None:
    assert best_share({0.3: 0.61, 0.5: 0.64, 1.0: 0.62}) == 0.5
    assert best_share({1.0: 0.64, 0.5: 0.64, 0.3: 0.61}) == 0.5


def test_the_base_itself_is_never_chosen() -> None:
    assert best_share({0.0: 0.9, 0.5: 0.2}) == 0.5
    with pytest.raises(ValueError, match="no share"):
        best_share({0.0: 0.9})


def test_ndcg_of_known_rankings() -> None:
    assert ndcg_at_10([1], 1) == 1.0
    assert ndcg_at_10([2], 1) == pytest.approx(0.63093, abs=1e-5)
    assert ndcg_at_10([1, 3], 2) == pytest.approx(1.5 / 1.63093, abs=1e-5)
    assert ndcg_at_10([11], 1) == 0.0


@given(st.sets(st.integers(min_value=1, max_value=10), max_size=10), st.integers(min_value=0, max_value=20))
def test_ndcg_stays_between_nothing_and_perfect(ranks: set[int], missed: int) -> None:
    relevant = max(1, len(ranks) + missed)
    assert 0 <= ndcg_at_10(sorted(ranks), relevant) <= 1 + 1e-9
