"""Install and forget: the real daemon, started by a fake launchd and a fake systemd, answers for itself."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.load import ConfigurationError
from config.paths import Home, runtime_directory
from config.version import VERSION
from daemon.cli import uninstall, well
from daemon.cli.result import DONE, FAILED, REFUSED
from daemon.cli.root import Context
from daemon.ledger.books import open_books
from daemon.supervision import MOST_UNCLEAN, Supervision
from jobs.adapters.aead import AesGcm
from jobs.adapters.macos_keychain import LoginKeychain
from jobs.domain.artifacts import ReleaseMetadata
from jobs.domain.errors import BadInput, Refused
from jobs.keys import Keys
from jobs.release_publishing import publish_release
from launchd.agent import AgentFailed
from launchd.machine import Session
from tests.fakes.macos.machine import FakeMachine, fake_machine
from tests.flow.owner import Owner, owner_of


def test_from_install_to_uninstall_with_a_rollback_while_the_agent_is_down(owner) -> None:
    assert owner.types("install").data["daemon"]["version"] == VERSION
    first = owner.health()
    assert (first.home, first.live) == (str(owner.home.root), "v0")
    assert owner.types("install").code == DONE and owner.health().pid == first.pid, "a second install changes nothing"
    assert owner.doctor("agent")["level"] == "ok"
    assert owner.doctor("notes", "--from-agent")["told"] == "notes: readable"

    releases = owner.context().releases
    publish_release(
        releases, ReleaseMetadata(name="v1", created_at=datetime.now(UTC), targets={}), owner.configuration, Path.touch
    )
    releases.switch("v1")
    releases.confirm("v1")
    assert owner.health().live == "v1"

    assert owner.types("stop").code == DONE and owner.health() is None
    assert owner.types("rollback").data["to"] == "v0"
    assert owner.types("start").data["daemon"]["live"] == "v0"

    restarted = owner.types("restart")
    assert restarted.code == DONE and restarted.data["daemon"]["pid"] != first.pid

    gone = owner.types("uninstall")
    assert gone.code == DONE and owner.health() is None and owner.home.root.exists()
    assert not (owner.qmd / "index.yml").is_symlink() and (owner.qmd / "index.yml").read_text() == owner.configuration
    assert owner.types("uninstall").code == DONE
    assert "no agent is installed" in owner.types("stop").text


def test_a_definition_edited_by_hand_is_refused_with_the_program_as_it_was(owner) -> None:
    definition = owner.context().agent.definition.path
    definition.parent.mkdir(parents=True, exist_ok=True)
    definition.write_text("mine")
    with pytest.raises(AgentFailed, match="edited by hand"):
        owner.types("install")
    assert not owner.context().program.path.exists() and definition.read_text() == "mine"


def test_purge_goes_back_to_what_was_adopted_and_leaves_nothing(owner) -> None:
    owner.types("install")
    releases = owner.context().releases
    trained = owner.configuration + f"models:\n  embed: {owner.home.releases}/models/trained.gguf\n"
    publish_release(releases, ReleaseMetadata(name="v1", created_at=datetime.now(UTC), targets={}), trained, Path.touch)
    releases.switch("v1")
    refused = owner.types("uninstall", "--purge")
    assert refused.code == REFUSED and owner.health() is not None, "nobody was there to agree"
    assert owner.types("uninstall", "--purge", "--yes").code == DONE
    assert not owner.home.root.exists()
    assert str(owner.home.root) not in (owner.qmd / "index.yml").read_text()
    assert sorted(path.name for path in owner.qmd.iterdir()) == ["index.yml"]


def test_what_uninstall_would_refuse_it_refuses_before_anything_is_touched(owner) -> None:
    owner.types("install")
    pid = owner.health().pid
    owner.home.config_file.write_text("[watch]\nquite = 3\n")
    with pytest.raises(ConfigurationError):
        owner.types("uninstall")
    owner.home.config_file.unlink()
    with (owner.qmd / "index.yml").open("a") as file:
        file.write(f"  more:\n    path: {owner.home.root}/evaluation\n")
    with pytest.raises(Refused, match="nothing was changed"):
        owner.types("uninstall", "--purge", "--yes")
    assert owner.health().pid == pid and (owner.qmd / "index.yml").is_symlink()


def test_purge_takes_the_key_and_the_logs_along_and_says_what_stays(mac_owner) -> None:
    owner = mac_owner
    owner.types("install")
    definition = owner.context().agent.definition
    with definition.path.open("a") as file:
        file.write("<!-- mine -->\n")
    context = owner.context()
    keychain = LoginKeychain(str(owner.fake.tools / "security"))
    vars(context)["keys"] = Keys(owner.home.keys, AesGcm(), keychain)
    context.keys.ids(["maria"])
    told = uninstall.run(argparse.Namespace(purge=True, yes=True), context)
    assert (runtime := runtime_directory(context.machine.environment)).exists() == (str(runtime) in told.talk)
    assert told.code == DONE and not owner.home.root.exists() and owner.fake.state.read()["keychain"] == {}
    assert not (owner.fake.user_home / "Library" / "Logs" / "iaip").exists()
    assert str(definition.kept_as) in told.talk and definition.kept_as.read_text().endswith("<!-- mine -->\n")


def test_a_home_whose_volume_is_not_there_is_told_from_one_that_never_was(owner, tmp_path) -> None:
    with pytest.raises(BadInput, match="nothing at"):
        _elsewhere(owner, tmp_path).books  # noqa: B018 - asking is the test
    owner.types("install")
    owner.types("stop")
    owner.home.root.rename(tmp_path / "unplugged")
    for command in ("status", "install", "init"):
        with pytest.raises(BadInput, match="volume not mounted"):
            owner.types(command)
    assert not owner.home.root.exists(), "no second home hides the mount point"
    (tmp_path / "unplugged").rename(owner.home.root)
    assert owner.types("start").code == DONE


def _elsewhere(owner: Owner, tmp_path: Path) -> Context:
    return Context(Home(root=tmp_path / "another"), owner.fake.machine(owner.platform))


def test_a_daemon_that_finds_no_home_says_so(tmp_path) -> None:
    with fake_machine(tmp_path / "machine") as fake:
        told = subprocess.run(
            [sys.executable, "-m", "daemon", "--home", str(tmp_path / "gone"), "--supervised", "systemd"],
            env={**os.environ, "PATH": f"{fake.tools}{os.pathsep}{os.environ['PATH']}", "LC_ALL": "fr_CA.UTF-8"},
            check=False,
            timeout=60,
        )
        assert told.returncode == 78
        [words] = fake.calls("notify-send")
        assert "Le dossier d'iaip est introuvable" in words


def test_an_agent_that_crashes_again_and_again_stays_down_says_so_and_can_be_started(owner) -> None:
    owner.types("install")
    for _ in range(MOST_UNCLEAN):
        pid = owner.health().pid
        os.kill(pid, signal.SIGKILL)
        owner.fake.until(lambda: owner.health() is None and not _listed(owner, pid))  # noqa: B023 - called at once
        owner.fake.later(31.0)
        owner.fake.until(
            lambda: owner.health() is not None or Supervision(owner.home).read().down is not None, seconds=60.0
        )
    assert owner.health() is None and "ended badly" in str(Supervision(owner.home).read().down)
    books = open_books(owner.home.ledger)
    assert [alert.kind for alert in books.alerts.unread()] == ["stays-down"]
    assert owner.doctor("agent")["level"] == "fail"
    owner.fake.later(3600.0)
    assert owner.health() is None, "it stays down"
    assert owner.types("start").code == DONE and owner.health() is not None


def _listed(owner: Owner, pid: int) -> bool:
    state = owner.fake.state.read()
    return pid in [entry["pid"] for entry in (*state["services"].values(), *state["units"].values())]


def test_a_daemon_that_hangs_is_ended_by_the_watchdog_and_comes_again(tmp_path, monkeypatch) -> None:
    with fake_machine(tmp_path / "machine") as fake:
        owner = owner_of(tmp_path, fake, "linux", monkeypatch)
        owner.types("install")
        hung = owner.health().pid
        for _ in range(3):
            fake.later(31.0)
            _hears(fake, "WATCHDOG=1")
        assert owner.health().pid == hung, "one that is well says so and is left alone"
        os.kill(hung, signal.SIGSTOP)
        fake.later(61.0)
        fake.until(lambda: not Path(f"/proc/{hung}").exists())
        fake.later(31.0)
        fake.until(lambda: owner.health() is not None)
        assert owner.health().pid != hung


def _hears(fake: FakeMachine, word: str) -> None:
    """Waits until the unit says ``word`` once more."""
    heard = fake.state.read()["notified"].count(word)
    fake.until(lambda: fake.state.read()["notified"].count(word) > heard)


def test_a_mistake_that_no_restart_can_mend_is_told_once_and_stays_down(owner) -> None:
    owner.home.config_file.write_text("[watch]\nquite = 3\n")
    assert "stays down" in _typed_to_failure(owner, "install")
    assert "did you mean quiet?" in str(Supervision(owner.home).read().down)
    owner.fake.later(3600.0)
    assert [alert.kind for alert in open_books(owner.home.ledger).alerts.unread()] == ["stays-down"]
    owner.home.config_file.unlink()
    assert owner.types("start").code == DONE


def test_a_start_that_met_a_process_on_its_way_out_is_asked_for_again(owner, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(well, "SECONDS_TO_ASK_AGAIN", 1.0)
    owner.types("install")
    owner.types("stop")
    program, gone = owner.home.agent_program, tmp_path / "gone"
    program.rename(tmp_path / "program")
    program.write_text(f'#!/bin/sh\nif [ -e {gone} ]; then exec {tmp_path}/program "$@"; fi\ntouch {gone}\nexit 0\n')
    program.chmod(0o700)
    assert owner.types("start").code == DONE and gone.exists(), "an exit with 0 alone would mean: stay down"


def _typed_to_failure(owner: Owner, command: str) -> str:
    result = owner.types(command)
    assert result.code == FAILED
    return result.talk


def test_a_daemon_started_by_hand_is_not_pushed_aside(mac_owner) -> None:
    owner = mac_owner
    daemon = subprocess.Popen([sys.executable, "-m", "daemon", "--home", str(owner.home.root)], stderr=subprocess.PIPE)
    try:
        owner.fake.until(lambda: owner.health() is not None)
        with pytest.raises(Refused, match="started by hand"):
            owner.types("install")
        assert owner.doctor("agent")["level"] == "warn"
        with pytest.raises(Refused, match="still serves"):
            owner.types("uninstall")
        assert (owner.qmd / "index.yml").is_symlink()
    finally:
        daemon.terminate()
        assert daemon.wait(timeout=60) == 0


def test_a_dead_socket_file_is_no_obstacle(mac_owner) -> None:
    owner = mac_owner
    owner.types("install")
    os.kill(owner.health().pid, signal.SIGKILL)
    owner.fake.until(lambda: owner.health() is None)
    assert owner.home.socket.exists(), "a killed daemon leaves it behind"
    owner.fake.until(lambda: (owner.fake.service() or {})["state"] == "spawn scheduled")
    owner.fake.later(31.0)
    owner.fake.until(lambda: owner.health() is not None)


def test_sudo_is_refused_on_the_command_line(mac_owner) -> None:
    for command in ("install", "start", "restart"):
        with pytest.raises(AgentFailed, match="root's, not yours"):
            mac_owner.types(command, session=Session(uid=0, sudo=True))
    assert not mac_owner.home.agent_program.exists(), "nothing of root's is left behind"


def test_a_home_that_is_not_there_is_not_made_anew_and_qmd_keeps_its_links(owner, tmp_path) -> None:
    owner.types("install")
    owner.types("stop")
    away = owner.home.root.rename(tmp_path / "unmounted")
    for command in ("restart", "rollback"):
        with pytest.raises(BadInput, match="is its volume not mounted"):
            owner.types(command)
        assert not owner.home.root.exists()
    told = owner.types("uninstall")
    assert told.data["given_back"] == [] and "is still a link" in told.talk
    away.rename(owner.home.root)
    assert (owner.qmd / "index.yml").read_text("utf-8") == owner.configuration


def test_doctor_is_a_contract(mac_owner) -> None:
    told = mac_owner.types("doctor")
    assert told.schema == "iaip.doctor/1"
    names = [finding["check"] for finding in told.data["findings"]]
    assert names == mac_owner.types("doctor", "--list-checks").data["checks"]
    assert all(finding["level"] in ("ok", "warn", "fail", "cannot tell") for finding in told.data["findings"])
    assert all(finding["remedy"] for finding in told.data["findings"] if finding["level"] != "ok")
    assert told.code == (FAILED if any(finding["level"] == "fail" for finding in told.data["findings"]) else DONE)
    assert json.dumps(told.data)


def test_recordings_of_a_mac_name_nobody(mac_owner, tmp_path) -> None:
    mac_owner.types("install")
    told = mac_owner.types("doctor", "--record-fixtures", str(tmp_path / "recorded"))
    assert "launchctl-print" in told.data["recorded"] and "fdesetup" in told.data["recorded"]
    assert (tmp_path / "recorded" / "fdesetup.txt").read_text() == "$ fdesetup status\n# exit 0\nFileVault is On.\n"
