"""Seasons as days of the year, and terms with a first and a last day. Pure: today is given."""

from __future__ import annotations

import re
from datetime import date

from msgspec import Struct

_RANGE = re.compile(r"(\d\d)-(\d\d)\s*\.\.\s*(\d\d)-(\d\d)")
_LEAP_YEAR = 2024


class Season(Struct, frozen=True, kw_only=True):
    """(month, day) of the first and the last day, both inside. A season may go over the turn of the year."""

    first: tuple[int, int]
    last: tuple[int, int]

    def holds(self, today: date) -> bool:
        day = (today.month, today.day)
        if self.first <= self.last:
            return self.first <= day <= self.last
        return day >= self.first or day <= self.last


def season(text: str) -> Season | None:
    """``11-01..03-31``; None for anything else, such as a day that no year has."""
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        return None
    first, last = (int(match[1]), int(match[2])), (int(match[3]), int(match[4]))
    try:
        date(_LEAP_YEAR, *first), date(_LEAP_YEAR, *last)
    except ValueError:
        return None
    return Season(first=first, last=last)


def within(today: date, first: date | None, last: date | None) -> bool:
    """Whether today is one of the days from ``first`` to ``last``, both inside; None is without end."""
    return (first is None or first <= today) and (last is None or today <= last)
