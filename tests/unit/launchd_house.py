"""An agent on the fake launchd, and what was asked of it."""

from __future__ import annotations

from pathlib import Path

from config.paths import Home
from jobs.publish import write_file
from launchd.launchd_agent import LaunchdAgent
from launchd.machine import Session
from tests.fakes.macos.machine import FakeMachine


def runs(home: Home, line: str) -> None:
    """What the agent's program does in this test."""
    home.agent_program.write_text(f"#!/bin/sh\n{line}\n")
    home.agent_program.chmod(0o700)


def agent_on(mac: FakeMachine, home: Home, session: Session | None = None) -> LaunchdAgent:
    return LaunchdAgent(mac.machine("darwin", session), home, write_file)


def verbs(mac: FakeMachine) -> list[str]:
    return [words[0] for words in mac.calls("launchctl") if words[0] != "print"]


def is_running(mac: FakeMachine) -> bool:
    service = mac.service()
    return service is not None and service["state"] == "running"


def home_of_an_agent(tmp_path: Path) -> Home:
    """Its program is there, and stays."""
    found = Home(root=tmp_path / "my home")
    found.agent_program.parent.mkdir(parents=True)
    runs(home=found, line="exec sleep 60")
    return found
