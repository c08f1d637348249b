"""The verbs under launchd, on a fake launchctl that lingers, refuses and forgets as the real one does."""

from __future__ import annotations

import plistlib
import re
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.publish import write_file
from launchd import launchctl
from launchd.agent import SECONDS_TO_STOP, AgentFailed
from launchd.launchd_agent import LABEL, LaunchdAgent, plist
from launchd.machine import TIMED_OUT, Answer, Session
from launchd.surroundings import agent_environment
from tests.fakes.macos.launchctl import printed
from tests.unit.launchd_house import agent_on, home_of_an_agent, is_running, runs, verbs

RECORDING = Path(__file__).parents[1] / "fakes" / "macos" / "recordings" / "launchctl-print.txt"


@pytest.fixture
def home(tmp_path):
    return home_of_an_agent(tmp_path)


def test_the_plist_says_what_launchd_must_know(home, tmp_path) -> None:
    environment = agent_environment(home, {"PATH": "/usr/bin", "SECRET_TOKEN": "x", "INDEX_PATH": "/i"})
    told = plistlib.loads(plistlib.dumps(plist(home, tmp_path, environment)))
    assert told["ProgramArguments"][0] == str(home.agent_program)
    assert Path(told["ProgramArguments"][0]).name == "iaip-agent", "Login Items shows this name"
    assert (told["KeepAlive"], told["ProcessType"], told["Umask"]) == ({"SuccessfulExit": False}, "Standard", 63)
    assert told["ExitTimeOut"] == SECONDS_TO_STOP and told["MaterializeDatalessFiles"] is False
    assert (told["RunAtLoad"], told["LimitLoadToSessionType"], told["ThrottleInterval"]) == (True, ["Aqua"], 30)
    assert (told["AbandonProcessGroup"], told["LowPriorityBackgroundIO"]) == (False, True)
    assert told["SoftResourceLimits"] == {"NumberOfFiles": 4096} and told["WorkingDirectory"] == str(home.root)
    assert {Path(told[f"Standard{kind}Path"]).parent for kind in ("Out", "Error")} == {tmp_path}
    assert "SECRET_TOKEN" not in told["EnvironmentVariables"] and told["EnvironmentVariables"]["INDEX_PATH"] == "/i"
    assert all(isinstance(value, str) for value in told["EnvironmentVariables"].values())


def test_install_registers_the_agent_and_a_second_one_leaves_it_alone(mac, home) -> None:
    agent = agent_on(mac, home)
    agent.install(force=False)
    mac.until(lambda: is_running(mac))
    pid = mac.service()["pid"]
    agent.install(force=False)
    assert mac.service()["pid"] == pid
    assert verbs(mac) == ["enable", "bootstrap", "enable", "kickstart"]
    assert stat.S_IMODE(agent.definition.path.stat().st_mode) == 0o600
    assert agent.state().condition == "registered"


def test_a_restart_waits_until_bootout_has_let_the_label_go(mac, home) -> None:
    agent = agent_on(mac, home)
    agent.install(force=False)
    mac.until(lambda: is_running(mac))
    agent.restart()
    assert verbs(mac).count("bootstrap") == 2, "an early one would have met code 5 and needed a third"
    mac.until(lambda: is_running(mac))


def test_a_label_that_is_busy_after_it_went_is_tried_again(mac, home) -> None:
    agent = agent_on(mac, home)
    agent.install(force=False)
    mac.set(busy_after=7.0)
    agent.restart()
    assert verbs(mac).count("bootstrap") > 2
    mac.until(lambda: is_running(mac))


def test_a_label_that_stays_busy_ends_in_words(mac, home) -> None:
    mac.script("launchctl bootstrap", *[(5, "", "Bootstrap failed: 5: Input/output error\n")] * 9)
    with pytest.raises(AgentFailed, match="bootstrap: 5") as told:
        agent_on(mac, home).install(force=False)
    assert "iaipctl install" in told.value.remedy
    assert verbs(mac).count("bootstrap") == 4


def test_a_label_that_never_goes_ends_in_words(mac, home) -> None:
    agent = agent_on(mac, home)
    agent.install(force=False)
    mac.set(busy=10_000.0)
    with pytest.raises(AgentFailed, match="has not let go"):
        replaced = LaunchdAgent(replace(mac.machine("darwin"), pause=lambda _: None), home, write_file)
        replaced.restart()


def test_a_stale_override_from_long_ago_does_not_stop_an_installation(mac, home) -> None:
    mac.set(disabled={LABEL: True})
    agent_on(mac, home).install(force=False)
    mac.until(lambda: is_running(mac))
    assert verbs(mac)[:2] == ["enable", "bootstrap"]


def test_an_override_survives_uninstall_and_the_next_install_ends_it(mac, home) -> None:
    agent = agent_on(mac, home)
    agent.install(force=False)
    agent.uninstall()
    mac.set(disabled={LABEL: True})
    agent.uninstall()
    assert mac.state.read()["disabled"] == {LABEL: True}
    agent.install(force=False)
    mac.until(lambda: is_running(mac))


def test_an_override_that_comes_between_two_calls_is_ended(mac, home) -> None:
    mac.script("launchctl bootstrap", (119, "", "Bootstrap failed: 119: Service is disabled\n"))
    agent_on(mac, home).install(force=False)
    assert verbs(mac) == ["enable", "bootstrap", "enable", "bootstrap"]


def test_an_agent_that_was_disabled_says_so(mac, home) -> None:
    agent = agent_on(mac, home)
    agent.install(force=False)
    mac.set(services={}, disabled={LABEL: True}, over=True)
    assert agent.state().condition == "disabled"


@pytest.mark.parametrize(("code", "words"), [(161, "forbids"), (125, "Login Items")])
def test_an_agent_switched_off_in_login_items_is_told_where_to_look(mac, home, code, words) -> None:
    mac.set(login_items=code)
    with pytest.raises(AgentFailed, match=words):
        agent_on(mac, home).install(force=False)


def test_an_agent_that_login_items_removed_cannot_be_told_and_says_where_to_look(mac, home) -> None:
    agent = agent_on(mac, home)
    agent.install(force=False)
    mac.set(services={}, over=True)
    state = agent.state()
    assert state.condition == "cannot tell" and "Login Items" in state.remedy and state.definition == "ours"


@pytest.mark.parametrize("ssh", [False, True])
def test_without_a_graphical_session_the_plist_waits_for_the_next_login(mac, home, ssh) -> None:
    mac.set(gui=False)
    agent = agent_on(mac, home, Session(uid=501, ssh=ssh))
    with pytest.raises(AgentFailed, match="session") as told:
        agent.install(force=False)
    assert "log in at the Mac's own screen" in told.value.remedy
    assert ("SSH" in told.value.message) == ssh
    assert agent.definition.path.exists() and agent.state().condition == "cannot tell"


@pytest.mark.parametrize("session", [Session(uid=501, sudo=True), Session(uid=0)])
def test_sudo_and_root_are_refused_before_anything_is_touched(mac, home, session) -> None:
    agent = agent_on(mac, home, session)
    for verb in (lambda: agent.install(force=True), agent.start, agent.restart, agent.uninstall):
        with pytest.raises(AgentFailed) as told:
            verb()
        assert told.value.kept
    assert not agent.definition.path.exists() and mac.calls("launchctl") == []


def test_a_quarantined_program_is_named_as_such(mac, home) -> None:
    mac.set(quarantined=[str(home.agent_program)])
    with pytest.raises(AgentFailed, match="quarantined") as told:
        agent_on(mac, home).install(force=False)
    assert "com.apple.quarantine" in told.value.remedy


def test_a_plist_edited_by_hand_is_left_alone_and_kept_when_forced(mac, home) -> None:
    agent = agent_on(mac, home)
    agent.install(force=False)
    edited = agent.definition.path.read_bytes().replace(b"<integer>30</integer>", b"<integer>60</integer>")
    agent.definition.path.write_bytes(edited)
    assert agent.state().definition == "edited"
    with pytest.raises(AgentFailed, match="edited by hand") as told:
        agent.install(force=False)
    assert told.value.kept and agent.definition.path.read_bytes() == edited
    agent.install(force=True)
    assert agent.definition.kept_as.read_bytes() == edited
    assert agent.state().definition == "ours"


def test_a_crashing_program_is_held_back_and_comes_again(mac, home) -> None:
    runs(home, f"echo x >> '{home.root}/starts'; exit 1")
    agent = agent_on(mac, home)
    agent.install(force=False)
    mac.until(lambda: mac.service()["state"] == "spawn scheduled")
    assert "holds it back" in agent.state().detail
    mac.later(31.0)
    mac.until(lambda: (home.root / "starts").read_text() == "x\nx\n")


def test_a_program_that_ends_with_0_stays_down_until_it_is_started(mac, home) -> None:
    runs(home, f"echo x >> '{home.root}/starts'; exit 0")
    agent = agent_on(mac, home)
    agent.install(force=False)
    mac.until(lambda: mac.service()["state"] == "not running")
    mac.later(3600.0)
    assert (home.root / "starts").read_text() == "x\n"
    agent.start()
    mac.until(lambda: (home.root / "starts").read_text() == "x\nx\n")


def test_stop_is_remembered_and_start_comes_back(mac, home) -> None:
    agent = agent_on(mac, home)
    agent.install(force=False)
    agent.stop()
    agent.stop()
    assert agent.state().condition == "stopped" and mac.service() is None
    agent.start()
    mac.until(lambda: is_running(mac))
    assert agent.state().condition == "registered"


def test_uninstall_may_be_repeated_and_nothing_can_be_started_after_it(mac, home) -> None:
    agent = agent_on(mac, home)
    agent.install(force=False)
    for _ in range(2):
        agent.uninstall()
    assert agent.state().condition == "not installed" and not agent.definition.path.exists()
    for verb in (agent.start, agent.restart):
        with pytest.raises(AgentFailed, match="no agent is installed"):
            verb()


def test_a_silent_launchctl_is_waited_for_no_longer_than_its_time(mac, home) -> None:
    silent = replace(mac.machine("darwin"), run=lambda argv, timeout: Answer(TIMED_OUT, "", ""))
    with pytest.raises(AgentFailed, match="did not answer in time"):
        LaunchdAgent(silent, home, write_file).install(force=False)
    assert LaunchdAgent(silent, home, write_file).state().condition == "cannot tell"


@pytest.mark.parametrize("verb", ["stop", "restart", "uninstall"])
def test_a_launchctl_that_does_not_say_whether_the_label_is_free_ends_the_verb(mac, home, verb) -> None:
    agent = agent_on(mac, home)
    agent.install(force=False)
    mac.until(lambda: is_running(mac))
    machine = mac.machine("darwin")
    busy = replace(
        machine, run=lambda argv, timeout: Answer(TIMED_OUT, "", "") if "print" in argv else machine.run(argv, timeout)
    )
    with pytest.raises(AgentFailed, match="did not answer in time"):
        getattr(LaunchdAgent(busy, home, write_file), verb)()
    assert agent.definition.path.exists() and is_running(mac), "nothing was taken for free that may be running"
    getattr(agent, verb)()


def test_an_argument_that_looks_like_a_state_is_not_taken_for_one(home, tmp_path) -> None:
    wanted = plist(home, tmp_path, {})
    wanted["ProgramArguments"] = ["/bin/x", "}\n\tpid = 99\n\t\tstate = active"]
    service = {"plist": wanted, "path": "/p", "state": "spawn scheduled", "pid": 0, "last_exit": 1, "runs": 3}
    assert launchctl.told_state(printed(501, LABEL, service)) == "spawn scheduled"


def first_depth(text: str) -> set[str]:
    return set(re.findall(r"^\t(\w[\w ]*) = ", text, re.MULTILINE))


def test_the_fake_prints_no_line_that_macos_does_not(home, tmp_path) -> None:
    recorded = RECORDING.read_text("utf-8")
    assert launchctl.told_state(recorded) == "running"
    service = {
        "plist": plist(home, tmp_path, {}),
        "path": "/p",
        "state": "running",
        "pid": 7,
        "last_exit": None,
        "runs": 1,
    }
    assert first_depth(printed(501, LABEL, service)) <= first_depth(recorded) | {"resource coalition"}
