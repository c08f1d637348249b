"""When a changed folder is scanned. Pure: moments are given, in seconds."""

from __future__ import annotations

from msgspec import Struct


class Dirty(Struct, frozen=True, kw_only=True):
    """Changes that were hinted at and not scanned yet."""

    first: float
    last: float

    def touched(self, now: float) -> Dirty:
        return Dirty(first=self.first, last=max(self.last, now))


def scan_due(dirty: Dirty | None, *, now: float, quiet: float, at_most: float) -> bool:
    """True once nothing has changed for ``quiet`` seconds, or ``at_most`` seconds after the first change."""
    if dirty is None:
        return False
    return now - dirty.last >= quiet or now - dirty.first >= at_most
