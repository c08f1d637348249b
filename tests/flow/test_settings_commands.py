"""The settings at the command line: shown with where they come from, and every mistake named with its line."""

from __future__ import annotations

import json

import pytest

from tests.flow.person import Person


@pytest.mark.parametrize("lines", ["", "\n\n"])
def test_a_training_window_that_is_no_cron_expression_is_named_with_its_line(settled: Person, lines: str) -> None:
    config = settled.home / "config.toml"
    config.write_text(f'{lines}[schedule]\nwindow = "at night"\n')
    told = settled.types("config", "check")
    where = lines.count("\n") + 2
    assert told.returncode == 1 and f"line {where}: schedule.window: “at night” has 2 fields" in told.stdout
    config.write_text('[schedule]\nwindow = "61 22 * * 5"\n')
    told = settled.types("config", "check")
    assert told.returncode == 1 and "line 2: schedule.window: “61 22 * * 5” is no cron expression" in told.stdout
    assert "every Friday at 22:00" in told.stdout
    config.write_text('[schedule]\nwindow = "0 2 * * *"\n')
    assert settled.types("config", "check").returncode == 0


def test_settings_are_shown_with_their_origin_and_checked(settled: Person) -> None:
    config = settled.home / "config.toml"
    config.write_text("[watch]\nquiet = 3\n")
    shown = settled.reads("config", "show")
    assert shown["settings"]["watch.quiet"] == {"value": 3.0, "line": 2}
    assert shown["settings"]["dataset.seed"] == {"value": 7, "line": None}
    assert "config.toml, line 2" in settled.types("config").stdout
    assert settled.types("config", "check").returncode == 0
    config.write_text("[watch]\nquite = 3\nat_most = 'x'\n")
    told = settled.types("config", "check")
    assert told.returncode == 1 and "line 2: unknown key watch.quite (did you mean quiet?)" in told.stdout
    assert len(settled.reads("config", "check")["problems"]) == 2
    schema = json.loads(settled.types("config", "schema").stdout)
    assert "WatchSettings" in schema["$defs"], "it needs no good settings"


def test_a_mistake_in_the_settings_is_named(settled: Person) -> None:
    (settled.home / "config.toml").write_text("[watch]\nquite = 3\n")
    told = settled.types("init")
    assert told.returncode == 1 and "did you mean quiet?" in told.stderr
