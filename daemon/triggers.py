"""What starts a run. Pure: the clock and the counts are given."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from msgspec import Struct

from config.settings import ScheduleSettings
from jobs.domain.examples import Target
from jobs.domain.schedule import enough_new, window_due


class Trigger(Struct, frozen=True, kw_only=True):
    target: Target
    cause: str


def due_triggers(
    settings: ScheduleSettings,
    *,
    new_rows: Mapping[Target, int],
    left_undone: Collection[Target],
    last_started: Mapping[Target, datetime],
    installed_at: datetime,
    now: datetime,
) -> list[Trigger]:
    """The runs that should start now: enough new examples, or an open (or missed) training window.

    ``left_undone``: targets whose last run came to no end. The next window tries again, and nothing sooner: what
    failed once may fail at every try.
    """
    triggers = []
    for target in settings.targets:
        new = new_rows.get(target, 0)
        if enough_new(target, new, settings):
            triggers.append(Trigger(target=target, cause=f"{new} new examples"))
        elif (new or target in left_undone) and window_due(
            settings.window, last_started=last_started.get(target), installed_at=installed_at, now=now
        ):
            triggers.append(Trigger(target=target, cause="training window"))
    return triggers
