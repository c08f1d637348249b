"""The same verbs under systemd, on a fake manager that really starts programs and listens to what they say."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.paths import Home
from jobs.publish import write_file
from launchd import systemd_agent as module
from launchd.agent import AgentFailed
from launchd.machine import Session
from launchd.systemd_agent import UNIT, SystemdAgent, quoted, unit
from tests.fakes.macos.machine import fake_machine
from tests.fakes.macos.systemctl import unquoted

READY = """python3 -S -c '
import os, signal, socket, sys
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
manager.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
signal.pause()
'"""


@pytest.fixture
def linux(tmp_path):
    with fake_machine(tmp_path / "linux") as found:
        yield found


@pytest.fixture
def home(tmp_path):
    found = Home(root=tmp_path / "my home")
    found.agent_program.parent.mkdir(parents=True)
    runs(found, f"exec {READY}")
    return found


def runs(home, line) -> None:
    home.agent_program.write_text(f"#!/bin/sh\n{line}\n")
    home.agent_program.chmod(0o700)


def agent_on(linux, home, session=None) -> SystemdAgent:
    return SystemdAgent(linux.machine("linux", session), home, write_file)


def test_a_dead_daemon_is_started_again_soon_enough_for_its_jobs_to_wait_again_within_ten_seconds(tmp_path) -> None:
    [seconds] = [line for line in unit(Home(root=tmp_path), {}).splitlines() if line.startswith("RestartSec=")]
    assert int(seconds.removeprefix("RestartSec=")) <= 5


def test_the_unit_restarts_what_failed_and_gives_up_in_the_end(tmp_path) -> None:
    lines = unit(Home(root=tmp_path), {"A": "b c"}).splitlines()
    for line in ("Type=notify", "WatchdogSec=60", "Restart=on-failure", "RestartPreventExitStatus=78", "UMask=0077"):
        assert line in lines
    assert {"StartLimitIntervalSec=600", "StartLimitBurst=5", "TimeoutStopSec=90", "NoNewPrivileges=yes"} <= set(lines)
    assert 'Environment="A=b c"' in lines


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs", "Cc"]), min_size=1))
def test_a_quoted_word_is_the_same_word_to_systemd(word) -> None:
    assert unquoted(quoted(word)) == [word]


def test_install_start_stop_and_uninstall_may_each_be_repeated(linux, home) -> None:
    agent = agent_on(linux, home)
    for _ in range(2):
        agent.install(force=False)
        assert agent.state().condition == "registered"
    for _ in range(2):
        agent.stop()
        assert agent.state().condition == "stopped"
    for _ in range(2):
        agent.start()
        assert agent.state().condition == "registered"
    agent.restart()
    for _ in range(2):
        agent.uninstall()
        assert agent.state().condition == "not installed"


def is_ended(linux, home, line, seconds, patience) -> bool:
    """Whether a program of this ``line`` is ended that says nothing more for ``seconds`` (of the fake's clock)."""
    runs(home, f"exec {line}")
    agent_on(linux, home).install(force=False)
    linux.until(lambda: linux.state.read()["units"][UNIT]["pid"])
    pid = linux.state.read()["units"][UNIT]["pid"]
    if line != "sleep 60":
        linux.until(lambda: linux.state.read()["notified"])
    linux.later(seconds)
    until = time.monotonic() + patience
    while time.monotonic() < until and linux.state.read()["units"][UNIT]["pid"] == pid:
        time.sleep(0.02)
    return bool(linux.state.read()["units"][UNIT]["pid"] != pid)


@pytest.mark.parametrize(
    ("line", "seconds", "ended"),
    [(READY, 50.0, False), (READY, 61.0, True), ("sleep 60", 90.0, False), ("sleep 60", 101.0, True)],
)
def test_the_fake_manager_ends_what_falls_silent_or_never_gets_ready(linux, home, line, seconds, ended) -> None:
    assert is_ended(linux, home, line, seconds, patience=20.0 if ended else 1.0) == ended


def test_a_unit_that_an_interrupted_install_wrote_is_taken_by_the_next(linux, home) -> None:
    agent = agent_on(linux, home)
    agent.install(force=False)
    agent.definition.place({**agent.definition.record().environment, "INDEX_PATH": "/else"}, force=False)
    machine = linux.machine("linux")
    again = replace(machine, environment={**machine.environment, "INDEX_PATH": "/else"})
    SystemdAgent(again, home, write_file).install(force=False)
    assert linux.state.read()["units"][UNIT]["environment"]["INDEX_PATH"] == "/else"


def test_an_earlier_versions_unit_is_outdated_until_a_restart(linux, home, monkeypatch) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(module, "unit", lambda *what: unit(*what).replace("Nice=5\n", ""))
        agent_on(linux, home).install(force=False)
    agent = agent_on(linux, home)
    assert agent.state().definition == "outdated"
    agent.restart()
    assert agent.state().definition == "ours" and "Nice=5" in agent.definition.path.read_text()


def test_a_program_that_asks_to_stay_down_is_not_started_again(linux, home) -> None:
    runs(home, "exit 78")
    agent = agent_on(linux, home)
    agent.install(force=False)
    linux.until(lambda: agent.state().condition == "failed")
    linux.later(3600.0)
    assert agent.state().condition == "failed" and len(linux.state.read()["units"][UNIT]["starts"]) == 1


def test_a_program_that_crashes_for_ever_meets_the_limit(linux, home) -> None:
    runs(home, "exit 1")
    agent = agent_on(linux, home)
    agent.install(force=False)
    for _ in range(20):
        linux.later(31.0)
        if agent.state().condition == "failed":
            break
        linux.until(lambda: linux.state.read()["units"][UNIT]["sub"] in ("auto-restart", "failed"))
    assert "start-limit-hit" in agent.state().detail


def test_without_a_user_session_the_words_say_how_to_get_one(linux, home) -> None:
    linux.set(bus=False)
    with pytest.raises(AgentFailed, match="no systemd user session") as told:
        agent_on(linux, home).install(force=False)
    assert "log in directly" in told.value.remedy
    assert agent_on(linux, home).state().condition == "cannot tell"
    assert not agent_on(linux, home).definition.path.exists(), "nothing was changed"


def test_what_was_installed_can_be_removed_without_a_user_session(linux, home) -> None:
    agent = agent_on(linux, home)
    agent.install(force=False)
    agent.stop()
    linux.set(bus=False)
    agent.uninstall()
    assert not agent.definition.path.exists()


def test_a_machine_without_systemd_says_so(linux, home) -> None:
    (linux.tools / "systemctl").unlink()
    agent = SystemdAgent(linux.machine("linux", processes=True), home, write_file)
    with pytest.raises(AgentFailed, match="systemd is not on this machine"):
        agent.install(force=False)


def test_sudo_is_refused(linux, home) -> None:
    with pytest.raises(AgentFailed, match="root's, not yours"):
        agent_on(linux, home, Session(uid=0, sudo=True)).install(force=False)


def test_an_edited_unit_is_left_alone_and_kept_when_forced(linux, home) -> None:
    agent = agent_on(linux, home)
    agent.install(force=False)
    with agent.definition.path.open("a") as file:
        file.write("# mine\n")
    with pytest.raises(AgentFailed, match="edited by hand"):
        agent.install(force=False)
    agent.install(force=True)
    assert agent.definition.kept_as.read_text().endswith("# mine\n")


def test_without_the_right_to_linger_the_owner_is_told(linux, home) -> None:
    linux.set(readings={"linger": 1})
    [note] = agent_on(linux, home).install(force=False)
    assert "while you are logged in" in note
