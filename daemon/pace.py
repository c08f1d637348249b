"""How hard the machine may work now: readings → run, slow, pause or leave, with the reason in words. Pure.

What is unknown slows, and never stops. Every grade has a latch of its own: it closes when something has called for
that grade (or a worse one) for a while, and opens when nothing has for a longer while, so that a reading on the edge
does not make the work flap. Times are monotonic seconds, but for the wall time that quiet hours are about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import time
from enum import IntEnum
from typing import TypeVar

import msgspec
from msgspec import Struct

from config.settings import GovernorSettings
from daemon.readings import Power, Readings, Unknown
from jobs.wire import LEAVE, PAUSE, RUN, Order, slow

Value = TypeVar("Value")

LOW_BATTERY = 20  # percent
IN_USE_SECONDS = 120.0
BUSY_LOAD = 6.0  # runnable processes a processor: swamped, so that low priority alone no longer keeps out of the way
SWAP_SLOWS, SWAP_STOPS = 128 << 20, 512 << 20  # bytes a minute
DISK_PAUSES, DISK_STOPS = 0.4, 0.2  # of the reserve: no job starts that would need it, so others are using it up
COLLAPSED = 0.2  # of a training's own speed; swapping ones fell to under a hundredth


class Grade(IntEnum):
    """From the mildest to the most severe. EASE is the slower pace of not knowing."""

    RUN = 0
    EASE = 1
    SLOW = 2
    PAUSE = 3
    LEAVE = 4


HEATS: Mapping[str, Grade] = {
    "nominal": Grade.RUN,
    "moderate": Grade.SLOW,
    "heavy": Grade.PAUSE,
    "critical": Grade.LEAVE,
}
MEMORIES: Mapping[str, Grade] = {"normal": Grade.RUN, "tight": Grade.SLOW, "critical": Grade.LEAVE}
ASKED = {"run": Grade.RUN, "slow": Grade.SLOW, "pause": Grade.PAUSE}
CLOSES_AFTER = {Grade.EASE: 10.0, Grade.SLOW: 10.0, Grade.PAUSE: 10.0, Grade.LEAVE: 0.0}
OPENS_AFTER = {Grade.EASE: 60.0, Grade.SLOW: 60.0, Grade.PAUSE: 120.0, Grade.LEAVE: 300.0}


class Concern(Struct, frozen=True, kw_only=True):
    """One reading's say. ``cause`` is one word for it, ``words`` tell a person."""

    grade: Grade
    cause: str
    words: str


class Latch(Struct, frozen=True, kw_only=True):
    """``closed``: its grade is in force. ``turning``: since when the readings have said otherwise."""

    closed: bool = False
    turning: float | None = None
    because: tuple[Concern, ...] = ()


class Work(Struct, frozen=True, kw_only=True):
    """What runs now: whether it is a training, which goes on from a checkpoint where others begin again; how long it
    has worked, and how fast it went."""

    training: bool
    seconds: float = 0.0
    share: float | None = None


class PaceState(Struct, frozen=True, kw_only=True):
    """What one decision hands to the next."""

    at: float = float("-inf")
    latches: dict[Grade, Latch] = msgspec.field(default_factory=lambda: dict.fromkeys(CLOSES_AFTER, Latch()))
    paused_since: float | None = None
    cooling_until: float = float("-inf")


class Decision(Struct, frozen=True, kw_only=True):
    """``order`` is for the worker; ``may_start`` says whether a heavy job may be claimed."""

    order: Order
    may_start: bool
    causes: tuple[str, ...]
    reason: str


def decide(
    before: PaceState,
    readings: Readings,
    work: Work | None,
    settings: GovernorSettings,
    *,
    reserve: int,
    now: float,
    wall: time,
) -> tuple[Decision, PaceState]:
    """The pace from now on. ``now`` never runs backwards here: an earlier one counts as the last.

    ``reserve``: bytes that should stay free on the volume. Whether there is room to start is not decided here.
    """
    now = max(now, before.at)
    found = concerns(readings, work, settings, reserve, wall)
    latches = {grade: _turned(grade, latch, found, now) for grade, latch in before.latches.items()}
    grade = max((grade for grade, latch in latches.items() if latch.closed), default=Grade.RUN)
    because = latches[grade].because if grade else ()
    paused_since = None if grade < Grade.PAUSE else now if before.paused_since is None else before.paused_since
    cooling_until = before.cooling_until
    if work and work.training and 0 < settings.segment <= work.seconds:
        cooling_until = max(cooling_until, now + settings.cool_down)
    state = PaceState(at=now, latches=latches, paused_since=paused_since, cooling_until=cooling_until)
    standing = _standing(state, work, settings)
    if standing is not None and standing.grade > grade:
        grade, because = standing.grade, (*because, standing)
    return _decision(grade, because, _worst(found), settings), state


def concerns(
    readings: Readings, work: Work | None, settings: GovernorSettings, reserve: int, wall: time
) -> tuple[Concern, ...]:
    """What each reading calls for, the most severe first; nothing for a reading that is fine."""
    share = work.share if work and work.share is not None else 1.0
    found = [
        _judged("heat", "thermal pressure", readings.heat, _of_heat),
        _judged("memory", "memory pressure", readings.memory, _of_memory),
        _judged("swap", "swap growth", readings.swap_growth, _of_swap),
        _judged("disk", "free disk space", readings.free_disk, lambda free: _of_disk(free, reserve if work else 0)),
        _judged("power", "the power source", readings.power, lambda power: _of_power(power, settings)),
        _judged("low-power", "low-power mode", readings.low_power, _of_low_power),
        _judged("use", "whether somebody uses the machine", readings.idle, lambda idle: _of_idle(idle, settings)),
        _judged("load", "the load", readings.load, _of_load),
        _judged("speed", "training speed", share, _of_share),
        _judged("quiet-hours", "the time", wall, lambda wall: _of_time(wall, settings.quiet_hours)),
    ]
    return tuple(sorted((concern for concern in found if concern.grade), key=lambda concern: -concern.grade))


def in_quiet_hours(wall: time, quiet: Sequence[str]) -> bool:
    """``quiet`` are ``HH:MM-HH:MM``, the end left out; one that ends before it starts goes over midnight."""
    for hours in quiet:
        start, end = (time.fromisoformat(part) for part in hours.split("-"))
        if start <= wall < end if start <= end else wall >= start or wall < end:
            return True
    return False


def _judged(cause: str, name: str, reading: Value | Unknown, judge: Callable[[Value], tuple[Grade, str]]) -> Concern:
    if isinstance(reading, Unknown):
        return Concern(grade=Grade.EASE, cause=cause, words=f"{name} is unknown ({reading.reason})")
    grade, words = judge(reading)
    return Concern(grade=grade, cause=cause, words=words)


def _of_heat(heat: str) -> tuple[Grade, str]:
    return HEATS[heat], f"thermal pressure is {heat}"


def _of_memory(memory: str) -> tuple[Grade, str]:
    return MEMORIES[memory], f"memory is {memory}"


def _of_swap(growth: int) -> tuple[Grade, str]:
    grade = Grade.LEAVE if growth >= SWAP_STOPS else Grade.SLOW if growth >= SWAP_SLOWS else Grade.RUN
    return grade, f"swap grew by {growth >> 20} MB in a minute"


def _of_disk(free: int, reserve: int) -> tuple[Grade, str]:
    stops, pauses = DISK_STOPS * reserve, DISK_PAUSES * reserve
    grade = Grade.LEAVE if free < stops else Grade.PAUSE if free < pauses else Grade.RUN
    return grade, f"the disk has only {free >> 20} MB left"


def _of_power(power: Power, settings: GovernorSettings) -> tuple[Grade, str]:
    if power.source == "mains":
        return Grade.RUN, ""
    left = "" if power.percent is None else f" ({power.percent} % left)"
    if power.percent is not None and power.percent < LOW_BATTERY:
        return Grade.LEAVE, f"the battery is low{left}"
    if power.source == "ups":
        return Grade.PAUSE, f"the machine runs on its emergency supply{left}"
    return ASKED[settings.on_battery], f"the machine runs on battery{left}"


def _of_low_power(on: bool) -> tuple[Grade, str]:
    return Grade.SLOW if on else Grade.RUN, "low-power mode is on"


def _of_idle(idle: float, settings: GovernorSettings) -> tuple[Grade, str]:
    return ASKED[settings.while_in_use] if idle < IN_USE_SECONDS else Grade.RUN, "somebody uses the machine"


def _of_load(load: float) -> tuple[Grade, str]:
    return Grade.SLOW if load >= BUSY_LOAD else Grade.RUN, f"the load is {load:.1f} a processor"


def _of_share(share: float) -> tuple[Grade, str]:
    return Grade.LEAVE if share < COLLAPSED else Grade.RUN, f"training fell to {share:.0%} of its own speed"


def _of_time(wall: time, quiet: Sequence[str]) -> tuple[Grade, str]:
    return Grade.PAUSE if in_quiet_hours(wall, quiet) else Grade.RUN, "these are quiet hours"


def _turned(grade: Grade, latch: Latch, found: Sequence[Concern], now: float) -> Latch:
    """The latch after this moment. It keeps the concerns that closed it, until fresher ones come."""
    calling = tuple(concern for concern in found if concern.grade >= grade)
    because = calling or latch.because
    if bool(calling) == latch.closed:
        return Latch(closed=latch.closed, because=because if latch.closed else ())
    turning = now if latch.turning is None else latch.turning
    if now - turning < (OPENS_AFTER if latch.closed else CLOSES_AFTER)[grade]:
        return Latch(closed=latch.closed, turning=turning, because=because)
    return Latch(closed=not latch.closed, because=calling)


def _standing(state: PaceState, work: Work | None, settings: GovernorSettings) -> Concern | None:
    """What follows from how long it has been going on: a segment's end, a long pause."""
    if state.at < state.cooling_until:
        words = f"cools down for {settings.cool_down:.0f} s after {settings.segment:.0f} s of training"
        return Concern(grade=Grade.LEAVE if work and work.training else Grade.PAUSE, cause="segment", words=words)
    if state.paused_since is not None and state.at - state.paused_since >= longest_pause(work, settings):
        words = f"after {state.at - state.paused_since:.0f} s of pause the memory is given back"
        return Concern(grade=Grade.LEAVE if work else Grade.PAUSE, cause="long-pause", words=words)
    return None


def longest_pause(work: Work | None, settings: GovernorSettings) -> float:
    """Seconds of pause after which the work leaves. What must begin again is kept for as long as it had worked."""
    lost = 0.0 if work is None or work.training else work.seconds
    return max(settings.longest_pause, lost)


def _worst(found: Sequence[Concern]) -> Grade:
    return max((concern.grade for concern in found), default=Grade.RUN)


def _decision(grade: Grade, because: Sequence[Concern], raw: Grade, settings: GovernorSettings) -> Decision:
    orders = {
        Grade.RUN: RUN,
        Grade.EASE: slow(min(settings.rest_unknown, settings.rest)),
        Grade.SLOW: slow(settings.rest),
        Grade.PAUSE: PAUSE,
        Grade.LEAVE: LEAVE,
    }
    reason = "; ".join(concern.words for concern in because)
    standing = any(concern.cause in ("segment", "long-pause") for concern in because)
    if raw < grade and not standing:
        reason += f"; it is better now, and must stay so for {OPENS_AFTER[grade]:.0f} s"
    return Decision(
        order=orders[grade],
        may_start=grade < Grade.PAUSE,
        causes=tuple(concern.cause for concern in because),
        reason=reason or "nothing is in the way",
    )
