"""Every rule of the gate by an example, with the sentence that tells of it."""

from __future__ import annotations

import msgspec
import pytest

pytest.importorskip("numpy")
pytestmark = pytest.mark.ml

from jobs.domain.artifacts import Parity
from jobs.domain.gates import Verdict
from jobs.domain.judgement import RULES, primary_score
from tests.unit.domain.judged_sets import GATE, decide, decisive, primary, query_set, rise, scored


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
