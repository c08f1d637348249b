import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

np = pytest.importorskip("numpy")
pytestmark = pytest.mark.ml

from jobs.domain.statistics import (
    FEWEST_FLIPS,
    MOST_FLIPS,
    bootstrap_quantiles,
    flips_for,
    minimum_detectable_effect,
    queries_needed,
    sign_flip_p,
    sign_test_p,
    spent_alpha,
)

eighths = st.integers(-8, 8).map(lambda number: number / 8)
few = st.lists(eighths, min_size=1, max_size=10)
many = st.lists(eighths, min_size=13, max_size=40)


def column(values):
    return np.array(values, dtype=np.float64)[:, None]


def noise(queries, *, gain=0.0, spread=0.25, seed=0, times=1):
    return np.random.default_rng(seed).normal(gain, spread, size=(queries, times))


@given(few)
def test_few_differences_are_tested_exactly_as_by_trying_every_flip(values):
    totals = [
        sum(map(math.prod, zip(signs, values, strict=True))) for signs in itertools.product((1, -1), repeat=len(values))
    ]
    expected = sum(total >= sum(values) for total in totals) / len(totals)
    assert sign_flip_p(column(values), seed=0)[0] == pytest.approx(expected)


def test_sampled_flips_agree_with_the_exact_test():
    values = noise(12, gain=0.1, seed=3)[:, 0]
    exact = sign_flip_p(column(values), seed=0)[0]
    # One more difference, too small to matter, pushes it over to sampling.
    sampled = sign_flip_p(column([*values, 1e-9]), seed=0)[0]
    assert sampled == pytest.approx(exact, abs=0.02)


@settings(max_examples=25, deadline=None)
@given(many, st.randoms())
def test_the_order_of_the_queries_changes_nothing(values, random):
    shuffled = random.sample(values, len(values))
    assert sign_flip_p(column(values), seed=1, flips=500) == sign_flip_p(column(shuffled), seed=1, flips=500)
    shares = (0.025, 0.975)
    before = bootstrap_quantiles(column(values), shares, seed=1, resamples=200)
    assert (before == bootstrap_quantiles(column(shuffled), shares, seed=1, resamples=200)).all()


@settings(max_examples=25, deadline=None)
@given(many)
def test_swapped_arms_have_the_mirrored_p(values):
    p, mirrored = (sign_flip_p(sign * column(values), seed=0, flips=4000)[0] for sign in (1.0, -1.0))
    assert p + mirrored >= 1.0 - 0.06
    assert 0.0 < p <= 1.0


def test_p_is_never_zero_however_clear_the_gain():
    assert sign_flip_p(np.ones((50, 1)), seed=0)[0] == 1 / (FEWEST_FLIPS + 1)


def test_no_difference_at_all_is_no_evidence():
    assert (sign_flip_p(np.zeros((30, 4)), seed=0) == 1.0).all()
    assert (sign_flip_p(np.zeros((0, 2)), seed=0) == 1.0).all()


def test_a_column_is_judged_by_itself():
    both = np.hstack([noise(30, gain=0.1, seed=1), noise(30, seed=2)])
    apart = [sign_flip_p(both[:, [index]], seed=5)[0] for index in (0, 1)]
    assert list(sign_flip_p(both, seed=5)) == apart


def test_the_same_differences_on_more_queries_are_more_certain():
    values = noise(20, gain=0.05, seed=4)
    repeated = np.tile(values, (4, 1))
    assert sign_flip_p(repeated, seed=0)[0] < sign_flip_p(values, seed=0)[0]
    low, high = bootstrap_quantiles(values, (0.025, 0.975), seed=0)[:, 0]
    nearer = bootstrap_quantiles(repeated, (0.025, 0.975), seed=0)[:, 0]
    assert nearer[1] - nearer[0] == pytest.approx((high - low) / 2, rel=0.1)


def test_chance_alone_looks_significant_about_as_often_as_the_level_says():
    p = sign_flip_p(noise(40, times=2000, seed=11), seed=0, flips=500)
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.015)


def test_five_retrains_without_a_gain_have_hardly_ever_even_one_pass():
    families, alpha = 1200, 0.05
    passed = np.zeros(families, dtype=bool)
    for attempt in range(1, 6):
        p = sign_flip_p(noise(40, times=families, seed=attempt), seed=attempt, flips=flips_for(alpha))
        passed |= p <= spent_alpha(alpha, attempt)
    assert 0.0 < np.mean(passed) <= alpha


def test_the_minimum_detectable_effect_is_found_four_times_in_five():
    alpha, queries, spread = 0.025, 80, 0.25
    effect = float(np.mean(minimum_detectable_effect(noise(queries, spread=spread, times=600), alpha=alpha)))
    gained = noise(queries, gain=effect, spread=spread, seed=2, times=600)
    found = sign_flip_p(gained, seed=0, flips=1000) <= alpha
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)


def test_too_little_to_know_the_spread_means_nothing_is_detectable():
    assert minimum_detectable_effect(np.ones((1, 2)), alpha=0.05).tolist() == [1.0, 1.0]
    assert minimum_detectable_effect(noise(30), alpha=0.0)[0] == 1.0


@given(st.integers(1, 500), st.floats(0.001, 0.5), st.floats(0.001, 0.5))
def test_so_many_queries_bring_the_detectable_effect_down_to_the_wanted_one(queries, effect, detectable):
    needed = queries_needed(queries, effect=effect, detectable=detectable)
    assert detectable * math.sqrt(queries / needed) <= effect * (1 + 1e-9)


def test_the_interval_is_that_of_scipy():
    scipy = pytest.importorskip("scipy.stats")
    values = noise(60, gain=0.05, seed=8)
    ours = bootstrap_quantiles(values, (0.025, 0.975), seed=0)[:, 0]
    theirs = scipy.bootstrap(
        (values[:, 0],), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert ours == pytest.approx([theirs.low, theirs.high], abs=0.004)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    low, high = bootstrap_quantiles(noise(60, gain=0.1, times=500, seed=6), (0.025, 0.975), seed=0, resamples=400)
    assert np.mean((low <= 0.1) & (high >= 0.1)) == pytest.approx(0.94, abs=0.03)


def test_a_bootstrap_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        bootstrap_quantiles(np.zeros((0, 1)), (0.5,), seed=0)


@given(st.integers(0, 30), st.integers(0, 30))
def test_the_sign_test_weighs_changes_for_the_worse_against_those_for_the_better(worse, better):
    p = sign_test_p(worse, better)
    assert 0.0 < p <= 1.0
    assert sign_test_p(worse + 1, better) <= p <= sign_test_p(worse, better + 1)
    assert sign_test_p(0, better) == 1.0
    assert sign_test_p(worse, 0) == 0.5**worse


@given(st.floats(0.0, 1.0), st.integers(1, 400))
def test_all_judgings_together_never_spend_more_than_alpha(alpha, attempts):
    spent = math.fsum(spent_alpha(alpha, attempt) for attempt in range(1, attempts + 1))
    assert spent <= alpha * (1 + 1e-12)
    assert spent == pytest.approx(alpha * attempts / (attempts + 1))


def test_judgings_count_from_one():
    with pytest.raises(ValueError, match="count from 1"):
        spent_alpha(0.05, 0)


@given(st.integers(1, 150))
def test_a_clear_gain_can_still_pass_after_many_judgings(attempt):
    alpha = spent_alpha(0.05, attempt)
    assert FEWEST_FLIPS <= flips_for(alpha) <= MOST_FLIPS
    assert 1 / (flips_for(alpha) + 1) < alpha
