"""An installation that is repeated, interrupted or older mends itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from config.paths import Home
from jobs.publish import write_file
from launchd import launchd_agent as module
from launchd.agent import AgentFailed
from launchd.launchd_agent import LaunchdAgent, plist
from launchd.surroundings import agent_environment
from tests.fakes.macos.machine import FakeMachine
from tests.unit.launchd_house import agent_on, home_of_an_agent, is_running, runs, verbs


@pytest.fixture
def home(tmp_path):
    return home_of_an_agent(tmp_path)


def environment_of(mac: FakeMachine) -> dict[str, str]:
    service = mac.service()
    assert service is not None
    return dict(service["plist"]["EnvironmentVariables"])


def in_another_place(mac: FakeMachine, home: Home) -> LaunchdAgent:
    """The agent as a terminal sees it where other places are named."""
    machine = mac.machine("darwin")
    return LaunchdAgent(replace(machine, environment={**machine.environment, "INDEX_PATH": "/else"}), home, write_file)


def test_a_definition_that_an_interrupted_install_wrote_is_taken_by_the_next(mac, home) -> None:
    agent_on(mac, home).install(force=False)
    again = in_another_place(mac, home)
    again.definition.place(agent_environment(home, {"INDEX_PATH": "/else"}), force=False)  # and there it died
    assert "INDEX_PATH" not in environment_of(mac)
    again.install(force=False)
    assert environment_of(mac)["INDEX_PATH"] == "/else"
    before = len(verbs(mac))
    again.install(force=False)
    assert "bootout" not in verbs(mac)[before:], "once it is taken it is left alone"


def test_a_definition_that_could_not_be_loaded_is_taken_by_the_next_install(mac, home) -> None:
    agent_on(mac, home).install(force=False)
    mac.script("launchctl bootout", (9, "", "Boot-out failed: 9\n"))
    again = in_another_place(mac, home)
    with pytest.raises(AgentFailed):
        again.install(force=False)
    again.install(force=False)
    assert environment_of(mac)["INDEX_PATH"] == "/else"


@pytest.mark.parametrize("force", [False, True])
def test_a_plist_that_launchd_does_not_trust_is_closed_by_the_next_install(mac, home, force) -> None:
    agent = agent_on(mac, home)
    agent.install(force=False)
    agent.stop()
    agent.definition.path.chmod(0o666)
    with pytest.raises(AgentFailed, match="122") as told:
        agent.start()
    assert "iaipctl install" in told.value.remedy
    agent.install(force=force)
    mac.until(lambda: is_running(mac))


def test_install_starts_what_stands_still(mac, home) -> None:
    runs(home, "exit 0")
    agent = agent_on(mac, home)
    agent.install(force=False)
    mac.until(lambda: mac.service()["state"] == "not running")
    runs(home, "exec sleep 60")
    agent.install(force=False)
    mac.until(lambda: is_running(mac))


def test_an_earlier_versions_definition_is_outdated_until_a_restart_in_the_environment_of_the_installation(
    mac, home, monkeypatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(module, "plist", lambda *what: {**plist(*what), "ThrottleInterval": 10})
        in_another_place(mac, home).install(force=False)
    agent = agent_on(mac, home)
    assert agent.state().definition == "outdated"
    agent.restart()
    assert agent.state().definition == "ours"
    assert mac.service()["plist"]["ThrottleInterval"] == 30 and environment_of(mac)["INDEX_PATH"] == "/else"
