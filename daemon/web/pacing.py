"""The governor's decisions and readings over time, from what the ledger keeps of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from daemon.ledger.pace import PaceRecord
from daemon.web.curves import Curve, Strip, curve, strip

SHOWN = timedelta(hours=24)
SILENT = timedelta(minutes=15)
"""A decision is noted again every ten minutes at least: after a longer silence nobody was looking."""
ACTIONS = ("run", "slow", "pause", "checkpoint-and-exit")
"""From the top line of the drawing down."""
ROWS = 24


class Span(Struct, frozen=True, kw_only=True):
    """A decision and how long it held, in words as they were when it began."""

    action: str
    reason: str
    begin: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return (self.end - self.begin).total_seconds()


def spans(records: Sequence[PaceRecord], start: datetime, now: datetime) -> tuple[Span, ...]:
    """What held from ``start`` to ``now``, oldest first. ``records`` are in order; a gap is a time nobody looked."""
    found: list[Span] = []
    decisions: list[datetime] = []
    for record, following in zip(records, [*(one.at for one in records[1:]), now], strict=False):
        begin, end = max(record.at, start), min(max(following, record.at), record.at + SILENT, now)
        if end < begin:
            continue
        last = found[-1] if found else None
        if last is not None and last.end == begin and decisions[-1] == record.since and last.action == record.action:
            found[-1] = Span(action=last.action, reason=last.reason, begin=last.begin, end=end)
        else:
            found.append(Span(action=record.action, reason=record.reason, begin=begin, end=end))
            decisions.append(record.since)
    return tuple(found)


def timeline(found: Sequence[Span], now: datetime) -> Strip | None:
    """The spans drawn, a line for each kind of decision; time is in hours before ``now``."""
    bars = [(one.action, _hours(one.begin, now), _hours(one.end, now)) for one in found]
    return strip(bars, ACTIONS, low=-SHOWN.total_seconds() / 3600, high=0.0, width=760, height=150)


def history(records: Sequence[PaceRecord], now: datetime, reading: Callable[[PaceRecord], object]) -> Curve | None:
    """One reading over the hours before ``now``, where it is known."""
    values = [(_hours(one.at, now), value) for one in records if isinstance(value := reading(one), int | float)]
    return curve(values, width=380, height=160)


def thinned(records: Sequence[PaceRecord]) -> list[PaceRecord]:
    """About ROWS of them, evenly, the newest first and always there."""
    return list(records[:: -max(1, len(records) // ROWS)])


def _hours(at: datetime, now: datetime) -> float:
    return (at - now).total_seconds() / 3600
