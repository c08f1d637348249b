"""How an attempt at a job ended, and what becomes of the job. Only its own faults count against it."""

from __future__ import annotations

from enum import StrEnum

from jobs.domain.states import JobState

MOST_ATTEMPTS = 3
MOST_REBOOTS = 2
UNKNOWN_BOOT = "unknown"


class Ending(StrEnum):
    """Every way in which a running job stops running, apart from being done."""

    FAILED = "failed"  # it said so itself, with a remedy: another try would say the same
    CRASHED = "crashed"  # its worker ended without a last word
    CANCELLED = "cancelled"  # a person asked for it
    PAUSED = "paused"  # a person asked for it
    STOPPED = "stopped"  # the daemon was asked to end, or took the worker back in order
    ORPHANED = "orphaned"  # the daemon died under it
    NO_ROOM = "no-room"  # the volume filled under it, and is full now: it waits for room
    REBOOTED = "rebooted"  # the machine restarted under it, without an orderly stop before


OWN_FAULTS = frozenset({Ending.FAILED, Ending.CRASHED})

_WISHES = {"cancel": Ending.CANCELLED, "pause": Ending.PAUSED, "stop": Ending.STOPPED}


def fate(ending: Ending, *, attempts: int, reboots: int) -> JobState:
    """What becomes of a job after this ending. ``attempts`` and ``reboots`` count this one in.

    Crashes are tried again until ``MOST_ATTEMPTS``. Under a machine that restarts, a job gets one more
    try; the second time it is quarantined until a person lifts it.
    """
    match ending:
        case Ending.FAILED:
            return JobState.FAILED
        case Ending.CRASHED:
            return JobState.FAILED if attempts >= MOST_ATTEMPTS else JobState.QUEUED
        case Ending.CANCELLED:
            return JobState.CANCELLED
        case Ending.PAUSED:
            return JobState.PAUSED
        case Ending.REBOOTED:
            return JobState.QUARANTINED if reboots >= MOST_REBOOTS else JobState.QUEUED
        case Ending.STOPPED | Ending.ORPHANED | Ending.NO_ROOM:
            return JobState.QUEUED


def begins_as(wanted: str | None) -> JobState:
    """How a run's next job begins when the one before it was done in spite of what was asked of it meanwhile."""
    wish = _WISHES.get(wanted or "")
    return fate(wish, attempts=0, reboots=0) if wish else JobState.QUEUED


def ending_under_dead_owner(wanted: str | None, *, owner_boot: str | None, boot: str) -> Ending:
    """How the attempt ended whose owner is no more. ``wanted`` is what was asked of it before.

    A daemon that ends in order notes ``stop`` first, so a restart after that is nobody's fault. A boot
    that cannot be told is never taken for a restart.
    """
    if wanted in _WISHES:
        return _WISHES[wanted]
    known = UNKNOWN_BOOT not in (owner_boot, boot) and owner_boot is not None
    return Ending.REBOOTED if known and owner_boot != boot else Ending.ORPHANED


def ending_of_attempt(
    wanted: str | None, *, crashed: bool = False, gave_back: bool = False, no_room: bool = False
) -> Ending:
    """How an attempt ended that a living daemon saw end. ``gave_back``: the worker left at a checkpoint as told;
    ``no_room``: it met a full volume, and that is still full. One of the three at most; with none it failed."""
    if wanted in _WISHES:
        return _WISHES[wanted]
    if gave_back:
        return Ending.STOPPED
    if no_room:
        return Ending.NO_ROOM
    return Ending.CRASHED if crashed else Ending.FAILED
