"""How the gate says it: sentences with figures."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.domain.comparison import Terms
from jobs.domain.gates import DECISIVE_METRIC, METRICS, MetricComparison, SetComparison
from jobs.domain.statistics import queries_needed


def decisive(group: SetComparison) -> MetricComparison:
    """The comparison that the gate decides by."""
    return group.comparisons[METRICS.index(DECISIVE_METRIC)]


def what_would_show(primary: SetComparison, terms: Terms) -> str:
    """What gain so many queries can show, and how many would show the one that was measured."""
    measured = decisive(primary)
    detectable = measured.minimum_detectable_effect
    if measured.low == measured.high == 0.0:
        return "no query tells the two apart"
    sentence = (
        f"{primary.queries} queries reliably show a gain of {detectable:.3f} or more at p {significance(terms.alpha)}"
    )
    if 0.0 < measured.delta < detectable:
        needed = queries_needed(primary.queries, effect=measured.delta, detectable=detectable)
        sentence += f", and about {needed} would show one of {measured.delta:.3f}"
    return sentence


def figures(group: SetComparison, terms: Terms) -> str:
    """What the decisive metric did on the group, with its interval and p."""
    measured = decisive(group)
    before = f"{measured.candidate - measured.delta:.3f}{' without a model' if terms.reference == 'none' else ''}"
    verb = "rose" if measured.delta > 0.0 else "fell"
    moved = f"{verb} from {before} to {measured.candidate:.3f}" if measured.delta else f"stayed at {before}"
    return (
        f"{measured.metric} on {named(group)} {moved} ({measured.delta:+.3f}, "
        f"95 % interval {measured.low:+.3f} to {measured.high:+.3f}, p {significance(measured.p)})"
    )


def named(group: SetComparison) -> str:
    """The group, as a sentence speaks of it."""
    return f"the {counted(group.queries, 'query', 'queries')} of “{group.name}”"


def others(groups: Sequence[SetComparison]) -> str:
    """The names of all but the first, in brackets; nothing if there is only one."""
    names = ", ".join(f"“{group.name}”" for group in groups[1:])
    return f" (likewise {names})" if names else ""


def counted(count: int, one: str, many: str) -> str:
    """The count with its noun."""
    return f"{count} {one if count == 1 else many}"


def significance(p: float) -> str:
    """Two significant digits."""
    return f"{p:.2g}"
