"""What starts a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.load import load_settings
from daemon.triggers import due_triggers

SCHEDULE = load_settings(Path("/nowhere/config.toml")).schedule
FRIDAY_NIGHT = datetime(2026, 11, 20, 22, 30, tzinfo=UTC)
INSTALLED = datetime(2026, 11, 1, tzinfo=UTC)


def test_enough_new_examples_start_a_run_by_themselves() -> None:
    [trigger] = due_triggers(
        SCHEDULE,
        new_rows={"embedding": SCHEDULE.new_pairs, "expansion": 0},
        left_undone=(),
        last_started={"embedding": FRIDAY_NIGHT - timedelta(hours=1)},
        installed_at=INSTALLED,
        now=FRIDAY_NIGHT,
    )
    assert (trigger.target, trigger.cause) == ("embedding", f"{SCHEDULE.new_pairs} new examples")


def test_the_window_starts_every_target_that_has_something_new() -> None:
    triggers = due_triggers(
        SCHEDULE,
        new_rows={"embedding": 1, "expansion": 0},
        left_undone=(),
        last_started={},
        installed_at=INSTALLED,
        now=FRIDAY_NIGHT,
    )
    assert [trigger.target for trigger in triggers] == ["embedding"]


def test_a_missed_window_is_made_up_for_once() -> None:
    monday = FRIDAY_NIGHT + timedelta(days=3)
    for started, expected in ((FRIDAY_NIGHT - timedelta(days=7), 1), (monday - timedelta(minutes=1), 0)):
        triggers = due_triggers(
            SCHEDULE,
            new_rows={"embedding": 1},
            left_undone=(),
            last_started={"embedding": started},
            installed_at=INSTALLED,
            now=monday,
        )
        assert len(triggers) == expected


@pytest.mark.parametrize("new", [0, SCHEDULE.new_pairs - 1])
def test_a_run_that_came_to_no_end_is_made_up_for_in_the_next_window_and_no_sooner(new: int) -> None:
    started = FRIDAY_NIGHT - timedelta(minutes=5)
    for now, expected in ((FRIDAY_NIGHT, []), (FRIDAY_NIGHT + timedelta(days=7), ["embedding"])):
        triggers = due_triggers(
            SCHEDULE,
            new_rows={"embedding": new},
            left_undone=["embedding"],
            last_started={"embedding": started},
            installed_at=INSTALLED,
            now=now,
        )
        assert [trigger.target for trigger in triggers] == expected


def test_nothing_new_starts_nothing() -> None:
    triggers = due_triggers(
        SCHEDULE, new_rows={}, left_undone=(), last_started={}, installed_at=INSTALLED, now=FRIDAY_NIGHT
    )
    assert triggers == []
