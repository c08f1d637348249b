"""What is known of the machine's condition: values, or why there is none. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Heat = Literal["nominal", "moderate", "heavy", "critical"]
Memory = Literal["normal", "tight", "critical"]

NOBODY = 1e9
"""Seconds of idleness when nobody is logged in, or no keyboard is there: finite, because JSON knows no infinity."""


class Unknown(Struct, frozen=True, kw_only=True, tag="unknown"):
    """There is no value, for a reason in words."""

    reason: str


class Power(Struct, frozen=True, kw_only=True, tag="power"):
    """``percent`` is of the battery, if there is one and it tells."""

    source: Literal["mains", "battery", "ups"]
    percent: int | None = None


NOT_READ = Unknown(reason="not read yet")


class Readings(Struct, frozen=True, kw_only=True):
    """One sample of the machine. Its first values are unknown, because nothing was read yet."""

    heat: Heat | Unknown = NOT_READ
    memory: Memory | Unknown = NOT_READ
    swap_growth: int | Unknown = NOT_READ
    """Bytes by which used swap grew during the last minute."""
    free_disk: int | Unknown = NOT_READ
    """Bytes free on the home's volume."""
    power: Power | Unknown = NOT_READ
    low_power: bool | Unknown = NOT_READ
    """Whether the owner switched the machine's low-power mode on."""
    idle: float | Unknown = NOT_READ
    """Seconds since somebody used the keyboard, the mouse or a terminal."""
    load: float | Unknown = NOT_READ
    """Runnable processes a processor, averaged over the last minute."""
