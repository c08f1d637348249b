"""What commands say when there is nothing to show, nobody to ask, or the person has seen enough."""

from __future__ import annotations

from argparse import Namespace

import pytest

from daemon.cli import rollback, uninstall, wait
from daemon.cli.__main__ import main
from daemon.cli.root import Context
from daemon.cli.stop import run as stop
from daemon.cli.wait import until_ended
from daemon.ledger.pace import PaceRecord
from daemon.readings import Readings
from daemon.system.lock import single_daemon
from launchd.agent import AgentState
from tests.web.household import Household


@pytest.fixture
def types(household: Household, capsys: pytest.CaptureFixture[str]):
    def typed(*words: str) -> tuple[int, str]:
        code = main(["--home", str(household.home.root), *words])
        told = capsys.readouterr()
        return code, told.out + told.err

    return typed


@pytest.mark.parametrize("words", [["ui"], ["wait"], ["queue", "retry", "1"]])
def test_with_the_daemon_down_the_installed_one_is_to_be_started(household: Household, types, words) -> None:
    household.training_now()
    code, told = types(*words)
    assert code == 3 and "`iaipctl start`" in told and "Next: `iaipd`" not in told


def test_a_run_without_a_verdict_is_not_said_to_be_none(household: Household, types) -> None:
    number = household.training_now().run
    code, told = types("verdict", str(number))
    assert code == 6 and f"run {number}, embedding, has no verdict" in told and "no run has been judged" not in told
    assert types("verdict", "99") == (6, "iaipctl: there is no run 99\n  next: `iaipctl queue` lists what there is\n")


@pytest.mark.parametrize(
    ("module", "words", "watches"),
    [(wait, ["wait"], True), (uninstall, ["uninstall", "--purge"], False), (rollback, ["rollback"], False)],
)
def test_a_command_that_is_interrupted_says_what_it_was(types, monkeypatch, module, words, watches) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "run", interrupted)
    code, told = types(*words)
    assert code == 130 and ("the daemon goes on" in told) is watches
    assert watches or f"`{words[0]}` was interrupted" in told


def test_a_run_that_the_machine_holds_back_says_why_while_it_is_waited_for(
    household: Household, monkeypatch, capsys
) -> None:
    training = household.training_now(upto=10)
    now = household.now
    reason = "the machine runs on battery (20 % left)"
    household.books.pace.add(
        PaceRecord(at=now, since=now, action="pause", rest=0.0, reason=reason, readings=Readings())
    )
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with single_daemon(household.home.daemon_lock):
        assert training.run is not None
        until_ended(training.run, 0.2, Context(household.home))
    assert f"paused: {reason}" in capsys.readouterr().err


def test_a_run_that_waits_for_another_says_so_wherever_it_is_asked_of(household: Household, types) -> None:
    before = household.training_now(upto=10)
    started = household.books.jobs.start_run("expansion", cause="test", forced=True, now=household.now)
    assert started is not None and before.run is not None
    dataset = household.claimed(started[1])
    household.books.jobs.finish(dataset, {}, "baseline", household.now)
    [baseline] = household.books.jobs.in_state("queued")
    told = f"run {baseline.run} waits for run {before.run} (embedding) to end"
    assert told in types("status")[1] and told in types("why", "job", str(baseline.id))[1]


def test_a_run_whose_job_is_paused_is_not_waited_for_in_vain(household: Household) -> None:
    training = household.training_now(upto=10)
    with household.books.database.transaction() as connection:
        connection.execute("UPDATE job SET state = 'paused' WHERE id = ?", (training.id,))
    with single_daemon(household.home.daemon_lock):
        assert training.run is not None
        told = until_ended(training.run, 5.0, Context(household.home))
    assert told.code == 75 and f"`iaipctl queue resume {training.id}`" in told.talk


class NoSession:
    """systemd cannot be asked here, and nothing was ever installed."""

    def stop(self) -> None:
        return None

    def state(self) -> AgentState:
        return AgentState(condition="cannot tell", definition="missing", remedy="log in directly")


def test_stopping_what_was_never_installed_promises_no_start(household: Household) -> None:
    context = Context(household.home)
    context.__dict__["agent"] = NoSession()
    told = stop(Namespace(), context)
    assert told.text == "no agent is installed, and no daemon runs" and told.talk == ""
