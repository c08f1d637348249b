"""What this process finds of what heavy jobs need: programs, packages and base models, each missing one by name."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from config.load import load_settings
from config.paths import Home
from daemon import installed
from daemon.cli import doctor
from daemon.cli.root import Context
from daemon.door import SocketServer
from daemon.installed import Installed, Need
from daemon.system.lock import single_daemon
from jobs.domain.corpus import Collection
from jobs.wire import Failed, JobSpec, decode_event, encode


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    return Home(root=tmp_path / "home")


def settings_of(home: Home, text: str):
    home.config_file.write_text(text)
    return load_settings(home.config_file)


@pytest.mark.parametrize(("apple", "absent"), [(False, "torch"), (False, "peft"), (True, "mlx_lm")])
def test_a_missing_trainer_is_named(monkeypatch: pytest.MonkeyPatch, apple: bool, absent: str) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == absent else object())
    need = installed.trainers(on_apple_silicon=apple)
    assert absent in need.told and "torch, transformers" not in need.told and "make install" in need.remedy


def test_mlx_is_asked_for_on_apple_silicon_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name.startswith("mlx") else object())
    assert installed.trainers(on_apple_silicon=False).remedy == ""
    assert installed.trainers(on_apple_silicon=True).remedy != ""


def test_missing_programs_bases_and_notifiers_are_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(
        home, '[qmd]\nnode = "/none/node"\npackage = "/none/qmd"\n[embedding]\nbase = "nobody/nothing"\n'
    )
    monkeypatch.setenv("PATH", "")
    found = installed.installed(home, settings)
    assert "/none/node" in found.node.told and found.node.remedy and "/none/qmd" in found.qmd.told and found.qmd.remedy
    assert "nobody/nothing" in found.bases.told and "iaipctl models fetch" in found.bases.remedy
    assert found.notifier is None and found.qmd_version == ""


def test_a_notifier_on_the_path_is_found(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = installed.NOTIFIERS[sys.platform][-1]
    (tmp_path / name).write_text("#!/bin/sh\n")
    (tmp_path / name).chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert installed.installed(home, settings_of(home, "")).notifier == name


def test_doctor_asks_the_daemon_where_one_answers_and_itself_where_none_does(home: Home) -> None:
    settings_of(home, "")
    agents = Installed(
        node=Need(told="the agent's Node"),
        qmd=Need(told="", remedy="r"),
        qmd_version="",
        trainers=Need(told=""),
        bases=Need(told=""),
        notifier=None,
    )
    context = Context(home)
    there = [Collection(name="notes", path=str(home.root))]
    answers = {"installed": agents, "folders": {"notes": "not permitted"}}
    server = SocketServer(home.socket, lambda question: answers.get(question.ask))
    with single_daemon(home.daemon_lock):
        server.start()
        try:
            assert doctor._installed(context, from_agent=False) == agents
            assert doctor._probe(context, there, from_agent=False) == {"notes": "not permitted"}
        finally:
            server.stop()
    own = doctor._installed(context, from_agent=False)
    assert own is not None and own.node.told != "the agent's Node"
    assert doctor._installed(context, from_agent=True) is None
    assert doctor._probe(context, there, from_agent=False) == {"notes": "readable"}
    assert doctor._probe(context, there, from_agent=True) is None


def test_a_worker_that_lacks_a_package_says_which(tmp_path: Path) -> None:
    code = (
        "import jobs.worker as worker\n"
        "def assemble(*_): import a_package_that_nobody_has\n"
        "worker.assemble = assemble\n"
        "raise SystemExit(worker.main())"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdin is not None and worker.stdout is not None
        worker.stdin.write(encode(JobSpec(job=1, stage="dataset", home=str(tmp_path))))
        worker.stdin.flush()
        word = decode_event(worker.stdout.readline())
    assert isinstance(word, Failed)
    assert "a_package_that_nobody_has is not installed" in word.message and "doctor trainers" in word.remedy
