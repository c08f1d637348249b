"""When two alerts are one, and how many may reach the desktop. Pure.

The wall clock jumps: a moment in the near future counts as much as one in the near past, one far away as little.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

WINDOW = timedelta(hours=1)
MOST_SHOWN = 6
"""Desktop notifications in an hour; the others are in the outbox alone."""


def repeats(first: datetime | None, now: datetime) -> bool:
    """Whether an alert only repeats the unread one of its kind and subject that came first at ``first``."""
    return first is not None and abs(now - first) < WINDOW


def may_show(shown: Iterable[datetime], now: datetime) -> bool:
    """Whether one more may go to the desktop after those handed over at ``shown``."""
    return sum(abs(now - moment) < WINDOW for moment in shown) < MOST_SHOWN
