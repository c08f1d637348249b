"""How long a worker may say nothing before it counts as hanging. Pure."""

from __future__ import annotations

from msgspec import Struct

from jobs.wire import LIGHT_STAGES, Order, Stage

LONGEST_LOOK = 5.0
"""Seconds one look may add: what lies between two looks that are further apart (a machine asleep) was no work."""
_OWN_WORK = 3600.0
_CALLS_IN_A_ROW = 3


class Silence(Struct, frozen=True, kw_only=True):
    """Seconds of work since a worker's last word. What it was ordered to rest or to pause is no work."""

    seconds: float = 0.0

    def after(self, elapsed: float, order: Order) -> Silence:
        """``elapsed`` more seconds, in which ``order`` was in force."""
        works = 0.0 if order.kind == "pause" else 1.0 - order.rest
        return Silence(seconds=self.seconds + min(max(0.0, elapsed), LONGEST_LOOK) * works)


def patience(stage: Stage, tool_seconds: float) -> float:
    """Seconds of silence that only a worker that hangs can need; a generous measure.

    A training reports every step, but not while it loads, mines or weighs. The others call foreign tools and say
    nothing during a call; each ends after ``tool_seconds`` by itself, and few follow each other without a word.
    """
    return _OWN_WORK if stage in LIGHT_STAGES else _OWN_WORK + _CALLS_IN_A_ROW * tool_seconds
