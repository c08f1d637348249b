"""The gate's rules: the first that applies decides, and says so in a sentence with its figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Literal

from msgspec import Struct

from config.settings import GateSettings
from jobs.domain.artifacts import Parity
from jobs.domain.comparison import (
    Terms,
    compare,
    groups_of,
    mean_score,
    primary_rows,
    reference_arm,
    rows_of,
)
from jobs.domain.examples import Target
from jobs.domain.gates import (
    Answer,
    ArmName,
    Outcome,
    Row,
    Rule,
    ScoredSet,
    SetComparison,
    Speed,
    Verdict,
)
from jobs.domain.informative import most_informative
from jobs.domain.statistics import RESAMPLES, sign_test_p, spent_alpha
from jobs.domain.wording import counted, decisive, figures, named, others, significance, what_would_show

_UNNOTICED_MILLISECONDS = 100.0
"""An answer within this seems instant (Nielsen 1993, Usability Engineering, chapter 5)."""
_CERTAIN = 0.05  # level at which more fallbacks are no accident


class Decision(Struct, frozen=True, kw_only=True):
    outcome: Outcome
    rule: Rule
    reason: str


class Case(Struct, frozen=True, kw_only=True):
    """Everything the rules look at."""

    parity: Parity
    terms: Terms
    rows: tuple[Row, ...]
    sets: tuple[SetComparison, ...]
    speed: Speed

    @property
    def primary(self) -> SetComparison | None:
        return next((group for group in self.sets if group.kind == "primary"), None)


def judge(
    target: Target,
    sets: Sequence[ScoredSet],
    parity: Parity,
    settings: GateSettings,
    *,
    attempt: int = 1,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Verdict:
    """May this candidate replace the model in place?

    ``attempt`` counts the judgings of this target on these queries, this one included. The same
    arguments give the same verdict, whatever the order of sets and queries. Raises ValueError if a
    query has no score of the candidate or of the reference arm.
    """
    rows = rows_of(sets)
    reference = reference_arm(rows)
    if any(arm not in row.metrics for row in rows for arm in (reference, "candidate")):
        raise ValueError(f"the arms {reference} and candidate must have answered every query set")
    alpha = spent_alpha(settings.alpha, attempt)
    terms = Terms(reference=reference, alpha=alpha, settings=settings, seed=seed, resamples=resamples)
    compared = tuple(compare(group, terms) for group in groups_of(rows, settings.fewest_queries))
    case = Case(parity=parity, terms=terms, rows=rows, sets=compared, speed=speed_of(sets))
    decision = next(decided for rule in RULES if (decided := rule(case)))
    primary = primary_rows(rows, settings.fewest_queries) or rows
    return Verdict(
        target=target,
        outcome=decision.outcome,
        rule=decision.rule,
        reason=decision.reason,
        alpha=alpha,
        reference=reference,
        sets=compared,
        parity=parity,
        speed=case.speed,
        most_informative=most_informative(primary, sets, reference) if decision.outcome == "cannot-tell" else (),
    )


def primary_score(sets: Sequence[ScoredSet], settings: GateSettings) -> float:
    """The current arm's (or, without one, the none arm's) mean nDCG@10 on the queries that will decide."""
    rows = rows_of(sets)
    return mean_score(primary_rows(rows, settings.fewest_queries) or rows, reference_arm(rows))


def speed_of(sets: Sequence[ScoredSet]) -> Speed:
    """A model in place is the only fair pace: the arm without a model skips the work."""
    candidate = _answers(sets, "candidate")
    current = _answers(sets, "current")
    milliseconds = {arm: _median_time(answers) for arm, answers in (("candidate", candidate), ("current", current))}
    now, then = milliseconds["candidate"], milliseconds["current"]
    shared = candidate.keys() & current.keys()
    worse = sum(candidate[key].fell_back and not current[key].fell_back for key in shared)
    better = sum(current[key].fell_back and not candidate[key].fell_back for key in shared)
    return Speed(
        current_milliseconds=then,
        candidate_milliseconds=now,
        latency_ratio=now / then if now is not None and then else None,
        current_fallback=_fallback(current),
        candidate_fallback=_fallback(candidate),
        fallback_p=sign_test_p(worse, better) if shared else None,
    )


def _answers(sets: Sequence[ScoredSet], arm: ArmName) -> dict[tuple[str, str], Answer]:
    return {(s.query_set.name, answer.query): answer for s in sets for answer in s.answers.get(arm, ())}


def _median_time(answers: dict[tuple[str, str], Answer]) -> float | None:
    return median(answer.milliseconds for answer in answers.values()) if answers else None


def _fallback(answers: dict[tuple[str, str], Answer]) -> float | None:
    return sum(answer.fell_back for answer in answers.values()) / len(answers) if answers else None


def _parity(case: Case) -> Decision | None:
    problems = case.parity.problems
    if not problems:
        return None
    return _reject(
        "parity", f"the exported file does not compute what the trained model computes: {'; '.join(problems)}"
    )


def _must_pass(case: Case) -> Decision | None:
    failed = sorted({query for group in case.sets for query in group.must_pass_failed})
    if not failed:
        return None
    return _reject(
        "must-pass",
        f"{counted(len(failed), 'must-pass query', 'must-pass queries')} no longer found among the first 5: "
        + ", ".join(failed),
    )


def _too_few(case: Case) -> Decision | None:
    if case.primary is not None:
        return None
    have, need = len(case.rows), case.terms.settings.fewest_queries
    return _cannot_tell(
        "too-few-queries",
        f"there are {counted(have, 'judged query', 'judged queries')} and the gate needs {need}; "
        f"{need - have} more would let it decide",
    )


def _slower(case: Case) -> Decision | None:
    """Below a tenth of a second nobody notices, and a busy machine doubles such times by itself."""
    ratio, most = case.speed.latency_ratio, case.terms.settings.slowest_ratio
    now = case.speed.candidate_milliseconds
    if ratio is None or ratio <= most or now is None or now <= _UNNOTICED_MILLISECONDS:
        return None
    return _reject(
        "latency",
        f"an answer takes {case.speed.candidate_milliseconds:.0f} ms instead of "
        f"{case.speed.current_milliseconds:.0f} ms ({ratio:.1f} times as long, at most {most:g} is allowed)",
    )


def _falls_back(case: Case) -> Decision | None:
    speed, margin = case.speed, case.terms.settings.guard_margin
    if speed.fallback_p is None or speed.candidate_fallback is None or speed.current_fallback is None:
        return None
    rise = speed.candidate_fallback - speed.current_fallback
    if rise <= margin and not (rise > 0.0 and speed.fallback_p <= _CERTAIN):
        return None
    return _reject(
        "fallback",
        f"the model gives no usable expansion for {speed.candidate_fallback:.0%} of the queries, "
        f"up from {speed.current_fallback:.0%} (p {significance(speed.fallback_p)})",
    )


def _primary_loss(case: Case) -> Decision | None:
    primary = _primary(case)
    if primary.standing != "loss":
        return None
    return _reject("primary-loss", figures(primary, case.terms))


def _guard_broken(case: Case) -> Decision | None:
    broken = _guards(case, "broken")
    if not broken:
        return None
    return _reject(
        "guard-broken",
        f"{figures(broken[0], case.terms)}, where a loss over {case.terms.settings.guard_margin:g} "
        f"or one beyond doubt is not allowed{others(broken)}",
    )


def _gain_not_shown(case: Case) -> Decision | None:
    primary = _primary(case)
    if primary.standing == "gain":
        return None
    return _cannot_tell("gain-not-shown", f"{figures(primary, case.terms)}; {what_would_show(primary, case.terms)}")


def _guard_unclear(case: Case) -> Decision | None:
    unclear = _guards(case, "unclear")
    if not unclear:
        return None
    lowest = decisive(unclear[0]).floor
    return _cannot_tell(
        "guard-unclear",
        f"{figures(_primary(case), case.terms)}; but on {named(unclear[0])} a loss of up to {-lowest:.3f} "
        f"cannot be ruled out and {case.terms.settings.guard_margin:g} is the most allowed{others(unclear)}; "
        "more judged queries there would tell",
    )


def _gain_shown(case: Case) -> Decision | None:
    guards = [group for group in case.sets if group.kind == "guard"]
    held = "every guard held" if guards else "no other set has enough queries to be a guard"
    return Decision(outcome="promote", rule="gain-shown", reason=f"{figures(_primary(case), case.terms)}; {held}")


# Faults that no number of queries excuses come first, then what enough queries show to be worse,
# then what they cannot tell; a promotion is what is left.
RULES: tuple[Callable[[Case], Decision | None], ...] = (
    _parity,
    _must_pass,
    _too_few,
    _slower,
    _falls_back,
    _primary_loss,
    _guard_broken,
    _gain_not_shown,
    _guard_unclear,
    _gain_shown,
)


def _reject(rule: Rule, reason: str) -> Decision:
    return Decision(outcome="reject", rule=rule, reason=reason)


def _cannot_tell(rule: Rule, reason: str) -> Decision:
    return Decision(outcome="cannot-tell", rule=rule, reason=reason)


def _primary(case: Case) -> SetComparison:
    assert case.primary is not None, "the rule on too few queries comes first"
    return case.primary


def _guards(case: Case, standing: Literal["broken", "unclear"]) -> list[SetComparison]:
    """Worst first."""
    found = [group for group in case.sets if group.standing == standing and group.kind == "guard"]
    return sorted(found, key=lambda group: (decisive(group).floor, group.name))
