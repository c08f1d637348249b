"""When the notes are scanned, and why. Pure: moments are given, in seconds."""

from __future__ import annotations

from math import inf
from typing import Literal

from msgspec import Struct

Cause = Literal["start", "change", "wake", "canary", "folder", "time", "retry"]
"""``wake``: the machine slept or its clock was set. ``canary``: events had stopped. ``folder``: one came or went."""

# A clock that is kept right by the network moves by far less between two looks, and a shorter sleep loses no events.
_JUMP = 10.0
# Of a processor, by scans, however many notes there are and however often they change: a tenth.
_REST = 9.0


class Dirty(Struct, frozen=True, kw_only=True):
    """Changes that were hinted at and not scanned yet."""

    first: float
    last: float

    def touched(self, now: float) -> Dirty:
        return Dirty(first=self.first, last=max(self.last, now))


class Moment(Struct, frozen=True, kw_only=True):
    """One look at both clocks. The monotonic one stands still while the machine sleeps."""

    monotonic: float
    wall: float


def scan_due(dirty: Dirty | None, *, now: float, quiet: float, at_most: float) -> bool:
    """True once nothing has changed for ``quiet`` seconds, or ``at_most`` seconds after the first change."""
    return due_in(dirty, now=now, quiet=quiet, at_most=at_most) <= 0


def due_in(dirty: Dirty | None, *, now: float, quiet: float, at_most: float) -> float:
    """Seconds until a scan is due, if nothing else changes before; endless while nothing has."""
    return inf if dirty is None else min(quiet - (now - dirty.last), at_most - (now - dirty.first))


def has_slept(before: Moment, now: Moment) -> bool:
    """Whether the machine slept in between, or somebody set its clock."""
    return abs((now.wall - before.wall) - (now.monotonic - before.monotonic)) >= _JUMP


def rest_after(seconds: float) -> float:
    """How long to leave the disk alone after a scan that took so long."""
    return seconds * _REST


def retry_after(failures: int, at_most: float) -> float:
    """Seconds to wait after so many scans failed in a row: 5, 10, 20, … up to ``at_most``."""
    return float(min(at_most, 5.0 * 2.0 ** min(failures - 1, 30)))
