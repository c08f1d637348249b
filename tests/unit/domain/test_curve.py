"""A curve is kept short without losing its ends or its shape."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.curve import superfluous

sizes = st.integers(0, 3000)
mosts = st.integers(2, 300)


@given(sizes, mosts)
def test_at_most_so_many_points_stay_and_a_short_curve_stays_whole(size, most):
    points = list(range(size))
    doomed = set(superfluous(points, most))
    kept = [point for point in points if point not in doomed]
    assert len(kept) == min(size, most)
    assert not points or (kept[0], kept[-1]) == (0, size - 1)


@given(sizes, mosts)
def test_what_stays_is_evenly_spread(size, most):
    doomed = set(superfluous(range(size), most))
    kept = [point for point in range(size) if point not in doomed]
    gaps = [later - earlier for earlier, later in pairwise(kept)]
    assert not gaps or max(gaps) - min(gaps) <= 1


@given(sizes, mosts)
def test_thinning_twice_is_thinning_once(size, most):
    doomed = set(superfluous(range(size), most))
    kept = [point for point in range(size) if point not in doomed]
    assert superfluous(kept, most) == []
