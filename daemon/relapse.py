"""Work that had to be sent away again and again: it waits longer each time, and a person is told. Pure."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from msgspec import Struct

from daemon.pace import Decision
from jobs.wire import PAUSE

OVERLOADS = frozenset({"heat", "memory", "speed", "swap"})
"""Causes that the work itself may be: the machine did not stand it."""
STEADY = 1800.0
"""Seconds of work that went well: what comes after them is no relapse."""
FIRST_WAIT, LONGEST_WAIT = 900.0, 4 * 3600.0
TOLD_AT = 3


class Relapses(Struct, frozen=True, kw_only=True):
    """How often in a row work was sent away soon after it began, and until when (monotonic) none begins."""

    times: int = 0
    until: float = float("-inf")
    causes: tuple[str, ...] = ()


def after_leaving(before: Relapses, *, causes: Collection[str], worked: float, now: float) -> Relapses:
    """After work was sent away because of ``causes``, ``worked`` seconds after it had begun."""
    overloads = tuple(cause for cause in causes if cause in OVERLOADS)
    if not overloads:
        return before
    times = 1 if worked >= STEADY else before.times + 1
    return Relapses(times=times, until=now + wait(times), causes=overloads)


def wait(times: int) -> float:
    """Seconds before it begins again: none the first time, as the readings must be calm for a while in any case."""
    return 0.0 if times < 2 else min(LONGEST_WAIT, FIRST_WAIT * 4.0 ** min(times - 2, 9))


def held_back(decision: Decision, relapses: Relapses, now: float) -> Decision:
    """The decision, or a pause while the last relapse is waited out."""
    if now >= relapses.until or not decision.may_start:
        return decision
    words = (
        f"heavy work overloaded the machine {relapses.times} times in a row ({', '.join(relapses.causes)}):"
        f" it waits {wait(relapses.times) / 60:.0f} minutes before it tries again"
    )
    causes = (*decision.causes, "relapse")
    return msgspec.structs.replace(decision, order=PAUSE, may_start=False, causes=causes, reason=words)
