"""A small storm: the daemon, its workers and rollbacks are killed at random moments, and nothing is lost or doubled."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.__main__ import run, shown


def test_nothing_is_lost_or_doubled_in_a_small_storm(tmp_path: Path) -> None:
    account = run(tmp_path, minutes=5.0, kills=10, seed=7, search=False)
    assert account.violations == [], shown(account)
    assert account.pick_ups, "no job was ever killed"
    assert account.looks > 50
