"""An owner who types iaipctl on a fake machine, where the supervisor starts the real daemon."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from uuid import uuid4

import pytest

from config.paths import Home
from daemon.cli.result import DONE, Result
from daemon.cli.root import Context
from daemon.socket import ask_health
from launchd.machine import Session
from tests.fakes.macos.machine import FakeMachine


class Owner:
    """Types commands on a fake machine, in a home that `iaipctl init` has set up."""

    def __init__(self, folder: Path, machine: FakeMachine, platform: str) -> None:
        self.fake = machine
        self.platform = platform
        self.notes = folder / "notes"
        self.notes.mkdir()
        (self.notes / "été.md").write_text("# L'été\n\nLe lac est libre de glace.\n", "utf-8")
        self.qmd = folder / "qmd"
        self.qmd.mkdir()
        self.configuration = f"# mine\ncollections:\n  notes:\n    path: {self.notes}\n    pattern: '**/*.md'\n"
        (self.qmd / "index.yml").write_text(self.configuration, "utf-8")
        self.home = Home(root=folder / "home")

    def context(self, session: Session | None = None) -> Context:
        return Context(self.home, self.fake.machine(self.platform, session, processes=True))

    def types(self, command: str, *words: str, session: Session | None = None) -> Result:
        module = importlib.import_module(f"daemon.cli.{command}")
        parser = argparse.ArgumentParser()
        module.add_arguments(parser)
        told: Result = module.run(parser.parse_args(words), self.context(session))
        return told

    def health(self):
        return ask_health(self.home.socket, uuid4().hex)

    def doctor(self, name: str, *words: str):
        [finding] = self.types("doctor", name, *words).data["findings"]
        return finding


def owner_of(folder: Path, fake: FakeMachine, platform: str, monkeypatch: pytest.MonkeyPatch) -> Owner:
    owner = Owner(folder, fake, platform)
    monkeypatch.setenv("QMD_CONFIG_DIR", str(owner.qmd))
    monkeypatch.setenv("INDEX_PATH", str(owner.qmd / "index.sqlite"))
    assert owner.types("init").code == DONE
    return owner
