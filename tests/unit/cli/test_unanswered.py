"""A request that nobody has answered yet is kept, and the command says by whom it will be."""

from __future__ import annotations

from pathlib import Path

from config.paths import Home
from daemon.cli.result import NOT_RUNNING, TRY_LATER
from daemon.cli.root import Context
from daemon.cli.unanswered import unanswered
from daemon.system.lock import single_daemon


def test_without_a_daemon_it_waits_for_one(tmp_path: Path) -> None:
    told = unanswered("iaip.run/1", {"run": None}, Context(Home(root=tmp_path)))
    assert told.code == NOT_RUNNING and "iaipctl start" in told.talk
    assert told.data == {"run": None, "waiting": True}


def test_a_daemon_that_is_busy_is_not_said_to_be_down(tmp_path: Path) -> None:
    home = Home(root=tmp_path)
    with single_daemon(home.daemon_lock):
        told = unanswered("iaip.run/1", {"run": None}, Context(home))
    assert told.code == TRY_LATER and "not running" not in told.talk
