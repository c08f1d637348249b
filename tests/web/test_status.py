"""`status` asks the daemon itself: a process that only holds the lock is no daemon that is well."""

from __future__ import annotations

import json

import pytest

from daemon.cli.__main__ import main
from daemon.system.lock import single_daemon
from tests.answering import daemon_of
from tests.web.household import Household


@pytest.fixture
def status(household: Household, capsys: pytest.CaptureFixture[str]):
    def typed() -> tuple[int, dict[str, object], str]:
        words = ["--home", str(household.home.root), "status"]
        code = main([*words, "--json"])
        document = json.loads(capsys.readouterr().out)
        main(words)
        return code, document["daemon"], capsys.readouterr().out.splitlines()[0]

    return typed


def test_a_daemon_that_answers_is_running(household: Household, status) -> None:
    with daemon_of(household.home):
        code, daemon, line = status()
    assert (code, daemon["running"], daemon["answers"]) == (0, True, True)
    assert line == f"daemon   running, pid {daemon['pid']}"


def test_one_that_holds_the_lock_and_does_not_answer_is_not_well(household: Household, status) -> None:
    with single_daemon(household.home.daemon_lock):
        code, daemon, line = status()
    assert (code, daemon["running"], daemon["answers"], daemon["version"]) == (1, True, False, None)
    assert "does not answer" in line and "`iaipctl doctor agent`" in line


def test_without_a_daemon_nothing_runs_whatever_the_ledger_says(
    household: Household, capsys: pytest.CaptureFixture[str]
) -> None:
    household.training_now()
    assert main(["--home", str(household.home.root), "status"]) == 3
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("running")]
    assert line.startswith("running  nothing: ") and "was interrupted at step" in line and "left" not in line


def test_one_of_another_version_wants_a_restart(household: Household, status) -> None:
    with daemon_of(household.home, version="0.0.1"):
        code, daemon, line = status()
    assert (code, daemon["version"]) == (0, "0.0.1")
    assert "version 0.0.1;" in line and "`iaipctl restart`" in line
