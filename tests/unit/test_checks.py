"""Every check of `iaipctl doctor`, on machines that are well and on machines that are not."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from config.paths import Home
from config.version import VERSION
from daemon.checks import supervisor
from daemon.checks.finding import Subject
from daemon.checks.programs import links, version
from daemon.installed import Need
from daemon.socket import Health
from daemon.supervision import Supervision
from launchd.agent import AgentState
from launchd.launchd_agent import LABEL
from launchd.machine import Answer
from launchd.program import script
from tests.unit.checked import EVERYTHING, a_mac_that_is_well, found


@pytest.fixture
def subject(mac, tmp_path) -> Subject:
    return a_mac_that_is_well(mac, tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        *("interpreter", "node", "qmd", "trainers", "base", "home", "permissions", "qmd-files", "notes"),
        *("notifications", "encryption", "keys", "walls"),
    ],
)
def test_a_machine_that_is_well_is_told_so(subject, name) -> None:
    finding = found(subject, name)
    assert finding.level == "ok", finding


def test_an_interpreter_that_is_gone_is_named(subject) -> None:
    subject.program.path.parent.mkdir()
    subject.program.path.write_text(script(subject.home, Path("/gone/python"), Path("/code")))
    finding = found(subject, "interpreter")
    assert finding.level == "fail" and "/gone/python is gone" in finding.told


def test_an_interpreter_in_homebrews_cellar_is_a_warning(subject, tmp_path) -> None:
    cellar = tmp_path / "Cellar" / "python@3.11" / "3.11.9" / "bin" / "python"
    cellar.parent.mkdir(parents=True)
    cellar.symlink_to(sys.executable)
    (tmp_path / "venv-python").symlink_to(cellar)
    subject.program.path.parent.mkdir()
    subject.program.path.write_text(script(subject.home, tmp_path / "venv-python", Path("/code")))
    finding = found(subject, "interpreter")
    assert finding.level == "warn" and "brew upgrade" in finding.told


def test_a_quarantined_interpreter_is_a_failure_with_the_way_out(subject, mac) -> None:
    mac.set(quarantined=[str(Path(sys.executable).resolve())])
    finding = found(subject, "interpreter")
    assert finding.level == "fail" and "xattr -d com.apple.quarantine" in finding.remedy


def test_an_interpreter_where_macos_keeps_agents_out_is_a_failure_though_a_terminal_may_run_it(subject, mac) -> None:
    python = mac.user_home / "Documents" / "iaip" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    subject.program.path.parent.mkdir()
    subject.program.path.write_text(script(subject.home, python, python.parents[2]))
    finding = found(subject, "interpreter")
    assert finding.level == "fail" and "launchd" in finding.told and "move iaip's folder" in finding.remedy


def test_an_interpreter_for_the_wrong_processor_is_a_failure_on_a_mac(subject, mac) -> None:
    wrong = replace(subject, machine=replace(subject.machine, run=_not_quarantined))
    finding = found(wrong, "interpreter")
    assert finding.level == "fail" and "needs arm64" in finding.told


def _not_quarantined(argv, timeout) -> Answer:
    return Answer(1, "", "") if "xattr" in argv[0] else Answer(0, '["3.12","x86_64","3.60.0"]', "")


@pytest.mark.parametrize(
    ("told", "level"), [("3.51.2", "warn"), ("3.40.1", "warn"), ("3.51.3", "ok"), ("3.60.0", "ok")]
)
def test_a_sqlite_with_the_wal_reset_fault_is_a_warning(subject, told, level) -> None:
    machine = replace(subject.machine, run=lambda *_: Answer(0, f'["3.12","arm64","{told}"]', ""))
    assert found(replace(subject, machine=machine), "sqlite").level == level


def test_an_interpreter_that_does_not_start_leaves_sqlite_unknown(subject) -> None:
    broken = replace(subject, machine=replace(subject.machine, run=lambda *_: Answer(1, "", "dyld: no")))
    assert found(broken, "sqlite").level == "cannot tell"


def test_missing_tools_are_failures_with_their_own_remedy(subject) -> None:
    missing = Need(told="it is not here", remedy="install it")
    lacking = structs.replace(EVERYTHING, node=missing, qmd=missing, trainers=missing, bases=missing)
    for name in ("node", "qmd", "trainers", "base"):
        finding = found(replace(subject, installed=lambda: lacking), name)
        assert (finding.level, finding.told, finding.remedy) == ("fail", "it is not here", "install it")


def test_without_a_notifier_alerts_are_said_to_wait(subject) -> None:
    silent = structs.replace(EVERYTHING, notifier=None)
    finding = found(replace(subject, installed=lambda: silent), "notifications")
    assert finding.level == "warn" and "`iaipctl alerts`" in finding.told and "notify-send" in finding.remedy


@pytest.mark.parametrize("name", ["node", "qmd", "trainers", "base", "notifications"])
def test_an_agent_that_does_not_answer_leaves_what_it_finds_unknown(subject, name) -> None:
    assert found(replace(subject, installed=lambda: None), name).level == "cannot tell"


@pytest.mark.parametrize("told", ["2.7.9", "", "one"])
def test_an_old_qmd_is_a_failure(subject, told) -> None:
    old = structs.replace(EVERYTHING, qmd_version=told)
    assert found(replace(subject, installed=lambda: old), "qmd").level == "fail"


def test_a_home_open_to_others_is_a_failure(subject) -> None:
    subject.home.root.chmod(0o755)
    finding = found(subject, "home")
    assert finding.level == "fail" and "chmod 700" in finding.remedy


def test_a_home_that_macos_protects_is_a_failure(subject, mac) -> None:
    root = mac.user_home / "Documents" / "iaip"
    root.mkdir(parents=True, mode=0o700)
    finding = found(replace(subject, home=Home(root=root)), "home")
    assert finding.level == "fail" and "keeps agents out" in finding.told


def test_a_home_on_another_volume_than_the_owners_own_folder_is_a_warning(subject) -> None:
    apart = replace(subject.machine, user_home=Path("/dev"))  # a volume of its own, on Linux and macOS
    told = found(replace(subject, machine=apart), "home")
    assert told.level == "warn" and "a volume of its own" in told.told


def test_no_home_yet_is_told_with_init(subject, tmp_path) -> None:
    elsewhere = replace(subject, home=Home(root=tmp_path / "none"))
    assert found(elsewhere, "home").remedy == "`iaipctl init`"
    assert found(elsewhere, "qmd-files").remedy == "`iaipctl init`"
    assert found(elsewhere, "disk").level == "cannot tell"


def test_a_link_that_was_replaced_by_a_file_is_a_warning(subject) -> None:
    subject.qmd_files.config.unlink()
    subject.qmd_files.config.write_text("collections: {}\n")
    finding = found(subject, "qmd-files")
    assert finding.level == "warn" and "iaipctl init" in finding.remedy


def test_an_agent_that_does_not_answer_leaves_the_notes_unknown(subject) -> None:
    assert found(replace(subject, probe=lambda _: None), "notes").level == "cannot tell"


def test_the_agent_check_tells_what_to_do_in_every_condition(subject, mac) -> None:
    assert found(subject, "agent").remedy == "`iaipctl install`"
    subject.program.path.parent.mkdir(exist_ok=True)
    subject.program.path.write_text("#!/bin/sh\nexec sleep 60\n")
    subject.program.path.chmod(0o700)
    subject.agent.install(force=False)
    assert "does not answer" in found(subject, "agent").told
    subject.agent.stop()
    assert found(subject, "agent").level == "warn"
    mac.set(disabled={LABEL: True})
    assert found(subject, "agent").level == "fail"
    Supervision(subject.home).stay_down("it ended badly 4 times", datetime(2026, 1, 2, tzinfo=UTC), lambda *_: None)
    assert "stays down" in found(subject, "agent").told


@pytest.mark.parametrize(
    ("definition", "remedy"), [("ours", ""), ("outdated", "`iaipctl restart`"), ("edited", "`iaipctl install --force`")]
)
def test_a_definition_that_is_not_this_versions_is_told_while_the_daemon_is_well(
    subject, monkeypatch, definition, remedy
) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    health = Health(version=VERSION, pid=7, nonce="n", home=str(subject.home.root), live="v0", started_at=now)
    monkeypatch.setattr(supervisor, "ask_health", lambda *_: health)
    state = AgentState(condition="registered", definition=definition)
    monkeypatch.setattr(type(subject.agent), "state", lambda _: state)
    finding = found(subject, "agent")
    assert finding.level == ("warn" if remedy else "ok") and finding.remedy.startswith(remedy)


def test_an_agent_that_login_items_may_hide_cannot_be_told(subject, mac) -> None:
    subject.program.path.parent.mkdir(exist_ok=True)
    subject.program.path.write_text("#!/bin/sh\nexit 0\n")
    subject.program.path.chmod(0o700)
    subject.agent.install(force=False)
    mac.until(lambda: mac.service()["state"] == "not running")
    mac.set(services={}, over=True)
    finding = found(subject, "agent")
    assert finding.level == "cannot tell" and "Login Items" in finding.remedy


@given(st.lists(st.integers(0, 999)))
def test_a_version_is_its_leading_numbers(numbers) -> None:
    assert version(".".join([*map(str, numbers), "rc1"])) == tuple(numbers)


def test_a_circle_of_links_ends(tmp_path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert len(list(links(tmp_path / "a"))) == 40
