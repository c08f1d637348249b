"""Whatever the scores are: what a verdict never does, and how often chance alone is promoted."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

np = pytest.importorskip("numpy")
pytestmark = pytest.mark.ml

from jobs.domain.gates import ScoredSet
from tests.unit.domain.judged_sets import (
    GATE,
    decide,
    decisive,
    eighths,
    paired,
    primary,
    query_set,
    rise,
    score_pairs,
    scored,
)


@settings(max_examples=30, deadline=None)
@given(st.lists(eighths, min_size=1, max_size=45))
def test_identical_arms_are_never_promoted_nor_rejected(scores):
    verdict = decide(scored(query_set(size=len(scores), seen=len(scores) // 2), scores, scores))
    assert verdict.outcome == "cannot-tell"
    assert all(comparison.p == 1.0 and comparison.delta == 0.0 for s in verdict.sets for comparison in s.comparisons)


@settings(max_examples=30, deadline=None)
@given(score_pairs)
def test_swapped_arms_have_the_opposite_gain_and_are_never_both_promoted(pairs):
    verdict, swapped = decide(paired(pairs)), decide(paired([(b, a) for a, b in pairs]))
    for group, other in zip(verdict.sets, swapped.sets, strict=True):
        assert decisive(group).delta == pytest.approx(-decisive(other).delta)
    assert "promote" not in (verdict.outcome, swapped.outcome) or verdict.outcome != swapped.outcome


@settings(max_examples=30, deadline=None)
@given(score_pairs, st.randoms(), st.integers(1, 4))
def test_neither_the_order_of_queries_nor_of_sets_changes_the_verdict(pairs, random, attempt):
    first = paired(pairs)
    second = scored(query_set("other", kind="curated", size=20, language="fr"), *rise(20, 0.05))
    order = random.sample(range(len(pairs)), len(pairs))
    shuffled = ScoredSet(
        query_set=msgspec.structs.replace(first.query_set, queries=tuple(first.query_set.queries[n] for n in order)),
        scores={arm: tuple(reversed(scores)) for arm, scores in first.scores.items()},
        answers={arm: tuple(reversed(answers)) for arm, answers in first.answers.items()},
    )
    assert decide(first, second, attempt=attempt) == decide(second, shuffled, attempt=attempt)


@settings(max_examples=40, deadline=None)
@given(
    st.floats(-0.2, 0.3),
    st.floats(-0.1, 0.1),
    st.integers(20, 50),
    st.integers(0, 50),
    st.integers(0, 99),
    st.integers(1, 5),
)
def test_a_promotion_means_that_every_stated_condition_holds(gain, guard_gain, size, seen, seed, attempt):
    verdict = decide(
        scored(query_set(kind="curated", size=size, seen=seen), *rise(size, gain, seed=seed)),
        scored(query_set("other", size=25), *rise(25, guard_gain, seed=seed + 1)),
        attempt=attempt,
    )
    measured = decisive(primary(verdict))
    held = all(
        decisive(group).high >= 0.0 and decisive(group).delta >= -0.05 and decisive(group).floor >= -0.05
        for group in verdict.sets
        if group.kind == "guard"
    )
    shown = measured.p <= verdict.alpha and measured.delta > 0.0 and measured.low > 0.0
    assert verdict.alpha == pytest.approx(0.05 / (attempt * (attempt + 1)))
    assert (verdict.outcome == "promote") == (held and shown)


@settings(max_examples=30, deadline=None)
@given(st.floats(-0.05, 0.1), st.integers(0, 99), st.lists(st.floats(0.0, 0.2), min_size=30, max_size=30))
def test_a_worse_guard_never_helps(guard_gain, seed, harm):
    better = {"reject": 0, "cannot-tell": 1, "promote": 2}
    main = scored(query_set(kind="curated", size=40, language="de"), *rise(40, 0.1))
    candidate, current = rise(30, guard_gain, seed=seed)
    harmed = [score - less for score, less in zip(candidate, harm, strict=True)]
    guard = query_set("guard", size=30, seen=10)
    before, after = decide(main, scored(guard, candidate, current)), decide(main, scored(guard, harmed, current))
    assert better[after.outcome] <= better[before.outcome]


@settings(max_examples=25, deadline=None)
@given(st.floats(0.01, 0.1), st.integers(0, 99))
def test_later_judgings_of_the_same_queries_are_never_more_lenient(gain, seed):
    judged = scored(query_set(size=40), *rise(40, gain, seed=seed))
    promoted = [decide(judged, attempt=attempt).outcome == "promote" for attempt in (1, 2, 5, 12)]
    assert promoted == sorted(promoted, reverse=True)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.0, 0.1), st.integers(0, 99))
def test_the_same_gain_on_more_queries_is_never_judged_worse(gain, seed):
    candidate, current = rise(25, gain, seed=seed)
    once, often = (decide(scored(query_set(size=25 * times), candidate * times, current * times)) for times in (1, 6))
    assert decisive(primary(often)).p <= decisive(primary(once)).p + 0.02
    assert decisive(primary(often)).minimum_detectable_effect <= decisive(primary(once)).minimum_detectable_effect
    assert once.outcome != "promote" or often.outcome == "promote"


def promotions(gain: float, *, runs: int, size: int) -> float:
    """The share of promotions among seeded runs whose true gain is ``gain`` and whose noise is a real query's."""
    asked = query_set(size=size)
    promoted = 0
    for seed in range(runs):
        generator = np.random.default_rng(seed)
        current = generator.uniform(0.0, 1.0, size)
        candidate = current + generator.normal(gain, 0.2, size)
        verdict = decide(scored(asked, list(candidate), list(current)), resamples=200)
        promoted += verdict.outcome == "promote"
    return promoted / runs


def test_noise_alone_is_promoted_no_more_often_than_alpha():
    assert promotions(0.0, runs=400, size=30) <= GATE.alpha


def test_a_true_gain_of_the_detectable_size_is_mostly_promoted():
    detectable = 2.8 * 0.2 / 60**0.5
    assert promotions(detectable, runs=60, size=60) >= 0.65
