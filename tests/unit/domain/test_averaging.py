"""Choosing between the base and the tuned weights."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.averaging import HALF, best_share, mean_over_kinds, ndcg_at_10


def scored(*scores: float) -> dict[str, list[float]]:
    return {"title": list(scores)}


def test_a_share_that_is_clearly_best_wins() -> None:
    scores = {0.3: scored(*[0.1] * 20), 0.5: scored(*[0.2] * 20), 1.0: scored(*[0.8] * 20)}
    assert best_share(scores) == 1.0


def test_where_the_queries_cannot_tell_the_half_is_taken() -> None:
    lead = scored(*[0.5] * 17, 0.9, 0.2, 0.6)
    assert best_share({0.3: scored(*[0.5] * 20), 0.5: scored(*[0.5] * 20), 1.0: lead}) == 0.5
    assert best_share({0.3: scored(*[0.5] * 20), 0.7: scored(*[0.5] * 20), 1.0: lead}) in (0.3, 0.7)
    assert best_share({0.3: {}, 0.5: {}, 1.0: {}}) == 0.5


def test_the_base_itself_is_never_chosen() -> None:
    assert best_share({0.0: scored(0.9), 0.5: scored(0.2)}) == 0.5
    with pytest.raises(ValueError, match="no share"):
        best_share({0.0: scored(0.9)})


def test_every_kind_of_query_counts_alike() -> None:
    assert mean_over_kinds({"title": [1.0] * 9, "curated": [0.0]}) == 0.5
    assert mean_over_kinds({}) == 0.0


@given(
    st.dictionaries(
        st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]),
        st.lists(st.floats(min_value=0, max_value=1), min_size=5, max_size=5),
        min_size=1,
    ).filter(lambda scores: set(scores) != {0.0})
)
def test_the_share_chosen_is_a_tuned_one_within_a_standard_error_of_the_best(scores: dict[float, list[float]]) -> None:
    chosen = best_share({share: {"title": found} for share, found in scores.items()})
    assert chosen > 0
    best = max(sum(found) for share, found in scores.items() if share > 0)
    if chosen != HALF and 0.5 in scores:
        assert sum(scores[0.5]) < best, "the half was left for something better"


def test_ndcg_of_known_rankings() -> None:
    assert ndcg_at_10([1], 1) == 1.0
    assert ndcg_at_10([2], 1) == pytest.approx(0.63093, abs=1e-5)
    assert ndcg_at_10([1, 3], 2) == pytest.approx(1.5 / 1.63093, abs=1e-5)
    assert ndcg_at_10([11], 1) == 0.0


@given(st.sets(st.integers(min_value=1, max_value=10), max_size=10), st.integers(min_value=0, max_value=20))
def test_ndcg_stays_between_nothing_and_perfect(ranks: set[int], missed: int) -> None:
    relevant = max(1, len(ranks) + missed)
    assert 0 <= ndcg_at_10(sorted(ranks), relevant) <= 1 + 1e-9
