"""When a run starts by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cronsim import CronSim

from config.cron import cron_problem
from config.settings import ScheduleSettings
from jobs.domain.errors import BadInput
from jobs.domain.examples import Target

_CLOCK_STEP = timedelta(days=1)  # what a clock may be set back by without a window opening twice


def window_due(expression: str, *, last_started: datetime | None, installed_at: datetime, now: datetime) -> bool:
    """Whether the training window has opened since a run last started, or since the installation.

    All moments are aware and in the owner's local time, each with the offset in force at that moment
    (``moment.astimezone()``). A window that was missed is due once, however many were missed. A wall
    time that the clock skips is due right after the gap; one that it repeats is due the first time.
    Moments over a day after ``now`` come from a clock that was wrong then and are ignored. Raises
    BadInput for an expression that is not cron's.
    """
    moments = [moment for moment in (last_started, installed_at) if moment is not None]
    known = [moment for moment in moments if _instant(moment) - _instant(now) <= _CLOCK_STEP]
    opened = _last_opening(expression, _wall(now))
    return bool(known) and opened is not None and opened > max(map(_wall, known))


def enough_new(target: Target, new_rows: int, settings: ScheduleSettings) -> bool:
    """Whether so many training rows, new since the target's last run, start one without waiting for the window."""
    return new_rows >= (settings.new_pairs if target == "embedding" else settings.new_expansions)


def _last_opening(expression: str, wall: datetime) -> datetime | None:
    """The latest wall time at or before ``wall`` that the expression names; none if it names none."""
    if cron_problem(expression) is not None:
        raise _not_cron(expression)
    # The search runs backwards and leaves out its own starting point.
    return next(CronSim(expression, wall.replace(microsecond=0) + timedelta(seconds=1), reverse=True), None)


def _not_cron(expression: str) -> BadInput:
    return BadInput(
        f"schedule.window is “{expression}”, which is no cron expression",
        remedy='Give it five fields: minute, hour, day, month, weekday. "0 22 * * 5" is every Friday at 22:00.',
    )


def _instant(moment: datetime) -> datetime:
    """In UTC, because two moments of one zone are compared by wall time, wrongly in a repeated hour."""
    return moment.astimezone(UTC)


def _wall(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None, fold=0)
