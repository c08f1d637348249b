from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

np = pytest.importorskip("numpy")
pytestmark = pytest.mark.ml

from config.settings import GateSettings
from jobs.domain.artifacts import Parity
from jobs.domain.examples import JudgedQuery, QuerySet
from jobs.domain.gates import (
    METRICS,
    Answer,
    ArmName,
    MetricComparison,
    QueryScore,
    ScoredSet,
    SetComparison,
    Verdict,
)
from jobs.domain.judgement import RULES, judge, primary_score

GATE = GateSettings(
    alpha=0.05,
    guard_margin=0.05,
    fewest_queries=20,
    weak_below=0.4,
    strong_above=0.7,
    parity_f16=0.999,
    parity_q8_0=0.995,
    parity_overlap=0.9,
    slowest_ratio=2.0,
    parity_generation=0.9,
)
FAITHFUL = Parity(measures={"cosine": 0.9999}, problems=())
QUICK = 400  # bootstrap resamples where a test judges many times

eighths = st.integers(0, 8).map(lambda number: number / 8)
score_pairs = st.lists(st.tuples(eighths, eighths), min_size=1, max_size=45)


def query_set(name="held-out", *, size=30, kind="held-out", seen=0, language="en", must_pass=0) -> QuerySet:
    """The first ``seen`` queries are seen, the first ``must_pass`` must pass."""
    return QuerySet(
        name=name,
        kind=kind,
        queries=tuple(
            JudgedQuery(
                id=f"{name}-{number}",
                text="",
                relevant={f"notes/{number}.md": 1},
                language=language,
                must_pass=number < must_pass,
                seen=number < seen,
            )
            for number in range(size)
        ),
    )


def scored(
    asked: QuerySet,
    candidate: Sequence[float],
    current: Sequence[float] | None,
    *,
    none: Sequence[float] | None = None,
    milliseconds: tuple[float, float] = (10.0, 10.0),
    fell_back: tuple[int, int] = (0, 0),
) -> ScoredSet:
    """Every metric of a query has the one value given. Pairs are (candidate, current)."""
    values: dict[ArmName, Sequence[float] | None] = {"candidate": candidate, "current": current, "none": none}
    paces = dict(zip(("candidate", "current", "none"), (*milliseconds, 1.0), strict=True))
    fallbacks = dict(zip(("candidate", "current", "none"), (*fell_back, 0), strict=True))
    there = {arm: scores for arm, scores in values.items() if scores is not None}
    return ScoredSet(
        query_set=asked,
        scores={
            arm: tuple(
                QueryScore(query=query.id, metrics=dict.fromkeys(METRICS, float(score)))
                for query, score in zip(asked.queries, scores, strict=True)
            )
            for arm, scores in there.items()
        },
        answers={
            arm: tuple(
                Answer(
                    query=query.id,
                    documents=(f"{arm}.md",),
                    milliseconds=paces[arm],
                    fell_back=number < fallbacks[arm],
                )
                for number, query in enumerate(asked.queries)
            )
            for arm in there
        },
    )


def decide(
    *sets: ScoredSet, parity: Parity = FAITHFUL, gate: GateSettings = GATE, attempt=1, resamples=QUICK
) -> Verdict:
    return judge("embedding", sets, parity, gate, attempt=attempt, resamples=resamples)


def rise(size: int, gain: float, *, start=0.4, seed=1, spread=0.1) -> tuple[list[float], list[float]]:
    """(candidate, current) scores whose mean difference is exactly ``gain``, with noise."""
    noise = np.random.default_rng(seed).normal(0.0, spread, size)
    noise -= noise.mean()
    return list(start + gain + noise), [start] * size


def decisive(group: SetComparison) -> MetricComparison:
    return next(comparison for comparison in group.comparisons if comparison.metric == "nDCG@10")


def primary(verdict: Verdict) -> SetComparison:
    return next(group for group in verdict.sets if group.kind == "primary")


def paired(pairs: Sequence[tuple[float, float]]) -> ScoredSet:
    return scored(query_set(size=len(pairs)), *map(list, zip(*pairs, strict=True)))


# Examples, one a rule


def test_a_clear_gain_with_every_guard_held_is_promoted_in_a_sentence_with_figures():
    verdict = decide(
        scored(query_set(size=40), *rise(40, 0.1)), scored(query_set("en", kind="curated"), *rise(30, 0.05))
    )
    assert (verdict.outcome, verdict.rule) == ("promote", "gain-shown")
    assert verdict.reason.startswith(
        "nDCG@10 on the 30 queries of “en” rose from 0.400 to 0.450 (+0.050, 95 % interval +0.0"
    )
    assert verdict.reason.endswith("; every guard held")


def test_an_export_that_is_not_the_trained_model_is_rejected_before_anything_else():
    broken = Parity(measures={"cosine": 0.91}, problems=("cosine 0.91 is under 0.999",))
    verdict = decide(scored(query_set(size=40), *rise(40, 0.1)), parity=broken)
    assert (verdict.outcome, verdict.rule) == ("reject", "parity")
    assert "cosine 0.91 is under 0.999" in verdict.reason
    assert decide(parity=broken).outcome == "reject"


def test_one_must_pass_query_lost_outweighs_any_gain():
    candidate, current = [0.0] + [0.9] * 39, [0.2] * 40
    lost = decide(scored(query_set(size=40, must_pass=1), candidate, current))
    assert (lost.outcome, lost.rule) == ("reject", "must-pass")
    assert "held-out-0" in lost.reason
    assert primary(lost).must_pass_failed == ("held-out-0",)
    assert decide(scored(query_set(size=40), candidate, current)).outcome == "promote"


def test_a_must_pass_query_that_never_passed_is_not_lost():
    verdict = decide(scored(query_set(size=40, must_pass=1), [0.0] + [0.9] * 39, [0.0] + [0.2] * 39))
    assert verdict.outcome == "promote"


def test_too_few_queries_cannot_tell_and_say_how_many_more_would():
    verdict = decide(scored(query_set(size=12), [0.9] * 12, [0.1] * 12))
    assert (verdict.outcome, verdict.rule) == ("cannot-tell", "too-few-queries")
    assert "8 more" in verdict.reason
    assert {group.kind for group in verdict.sets} == {"shown"}
    assert decide().rule == "too-few-queries"


def test_a_candidate_that_is_too_slow_is_rejected():
    verdict = decide(scored(query_set(size=40), *rise(40, 0.1), milliseconds=(500.0, 200.0)))
    assert (verdict.outcome, verdict.rule) == ("reject", "latency")
    assert "500 ms instead of 200 ms (2.5 times" in verdict.reason


def test_a_slowness_that_nobody_notices_does_not_count():
    verdict = decide(scored(query_set(size=40), *rise(40, 0.1), milliseconds=(50.0, 20.0)))
    assert verdict.outcome == "promote"


def test_a_candidate_whose_expansions_are_unusable_more_often_is_rejected():
    verdict = decide(scored(query_set(size=40), *rise(40, 0.1), fell_back=(6, 1)))
    assert (verdict.outcome, verdict.rule) == ("reject", "fallback")
    assert "15% of the queries, up from 2%" in verdict.reason
    assert decide(scored(query_set(size=40), *rise(40, 0.1), fell_back=(1, 3))).outcome == "promote"


def test_a_certain_loss_is_rejected():
    verdict = decide(scored(query_set(size=40), *rise(40, -0.1)))
    assert (verdict.outcome, verdict.rule) == ("reject", "primary-loss")
    assert "fell from 0.400 to 0.300 (-0.100" in verdict.reason


def test_a_gain_on_seen_queries_with_a_loss_on_unseen_ones_is_memorising_and_is_rejected():
    more, before = rise(60, 0.2)
    less, still = rise(30, -0.08, seed=2)
    verdict = decide(scored(query_set(size=90, seen=60), more + less, before + still))
    assert (verdict.outcome, verdict.rule) == ("reject", "guard-broken")
    assert "“held-out, unseen”" in verdict.reason
    assert primary(verdict).standing == "gain"


def test_a_language_that_loses_is_a_broken_guard():
    good = scored(query_set(kind="curated", size=60), *rise(60, 0.2))
    bad = scored(query_set("fr", kind="curated", size=25, language="fr"), *rise(25, -0.1, seed=3))
    verdict = decide(good, bad)
    assert (verdict.outcome, verdict.rule) == ("reject", "guard-broken")
    assert "“fr”" in verdict.reason


def test_a_gain_too_small_to_show_cannot_tell_and_says_what_would_show_it():
    verdict = decide(scored(query_set(size=40), *rise(40, 0.01)))
    effect = decisive(primary(verdict)).minimum_detectable_effect
    assert (verdict.outcome, verdict.rule) == ("cannot-tell", "gain-not-shown")
    assert f"40 queries reliably show a gain of {effect:.3f} or more at p 0.025" in verdict.reason
    assert "would show one of 0.010" in verdict.reason


def test_a_guard_too_noisy_to_rule_a_loss_out_cannot_tell():
    verdict = decide(
        scored(query_set(kind="curated", size=60), *rise(60, 0.2)),
        scored(query_set("other", size=25, language="und"), *rise(25, -0.01, spread=0.3)),
    )
    assert (verdict.outcome, verdict.rule) == ("cannot-tell", "guard-unclear")
    assert "“other”" in verdict.reason


def test_the_owners_own_queries_decide_when_there_are_enough_and_are_only_shown_when_not():
    held_out = scored(query_set(size=40), *rise(40, 0.1))
    enough = decide(held_out, scored(query_set("mine", kind="curated", size=20), *rise(20, 0.1)))
    assert primary(enough).name == "mine"
    few = decide(held_out, scored(query_set("mine", kind="curated", size=19), *rise(19, 0.1)))
    assert primary(few).name == "held-out"
    assert next(group.kind for group in few.sets if group.name == "mine") == "shown"


def test_curated_sets_decide_together_and_each_is_a_guard_of_its_own():
    sets = [scored(query_set(name, kind="curated", size=25), *rise(25, 0.1)) for name in ("a", "b")]
    kinds = {group.name: group.kind for group in decide(*sets).sets}
    assert kinds == {"pooled": "primary", "a": "guard", "b": "guard"}


def test_small_sets_of_every_kind_decide_together_rather_than_not_at_all():
    sets = [
        scored(query_set("mine", kind="curated", size=12), *rise(12, 0.1)),
        scored(query_set(size=12), *rise(12, 0.1)),
    ]
    assert primary(decide(*sets)).queries == 24


def test_a_first_model_is_compared_with_none_and_not_held_to_its_pace():
    candidate, none = rise(40, 0.1)
    verdict = decide(scored(query_set(size=40), candidate, None, none=none, milliseconds=(900.0, 0.0)))
    assert (verdict.outcome, verdict.reference) == ("promote", "none")
    assert "rose from 0.400 without a model to 0.500" in verdict.reason
    assert verdict.speed.latency_ratio is None
    assert decisive(primary(verdict)).current is None


def test_the_most_informative_queries_are_those_where_the_arms_rank_unjudged_documents_apart():
    alike = scored(query_set(size=30), *rise(30, 0.01))
    arms = {
        arm: tuple(
            msgspec.structs.replace(answer, documents=(f"{arm if number in (3, 7) else 'same'}.md", f"x{number}.md"))
            for number, answer in enumerate(answers)
        )
        for arm, answers in alike.answers.items()
    }
    verdict = decide(msgspec.structs.replace(alike, answers=arms))
    assert verdict.outcome == "cannot-tell"
    assert verdict.most_informative == ("held-out-3", "held-out-7")


def test_an_arm_that_left_a_query_out_is_a_fault_of_the_caller():
    whole = scored(query_set(size=30), *rise(30, 0.1))
    torn = msgspec.structs.replace(whole, scores={**whole.scores, "current": whole.scores["current"][1:]})
    with pytest.raises(ValueError, match="held-out-0"):
        decide(torn)
    with pytest.raises(ValueError, match="must have answered"):
        decide(msgspec.structs.replace(whole, scores={"current": whole.scores["current"]}))


def test_the_baseline_score_is_the_current_arms_on_the_queries_that_will_decide():
    mine = scored(query_set("mine", kind="curated", size=20), [0.0] * 20, [0.5] * 20)
    baseline = msgspec.structs.replace(
        mine, scores={"current": mine.scores["current"], "none": mine.scores["candidate"]}
    )
    assert primary_score([baseline, scored(query_set(size=40), *rise(40, 0.1))], GATE) == pytest.approx(0.5)
    assert primary_score([], GATE) == 0.0


def test_a_verdict_survives_the_trip_through_json():
    verdict = decide(scored(query_set(size=40), *rise(40, 0.1)))
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict


def test_the_last_rule_always_decides():
    assert RULES[-1].__name__ == "_gain_shown"


# Properties


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


# Simulations


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
