"""A machine and a home that are well, for checks to look at."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from config.paths import Home, QmdFiles
from daemon.checks.every import CHECKS
from daemon.checks.finding import Subject
from daemon.installed import Installed, Need
from daemon.system.folders import probe_folder
from jobs.adoption import adopt
from jobs.domain.corpus import Collection
from jobs.publish import write_file
from jobs.releases import Releases
from launchd.launchd_agent import LaunchdAgent
from launchd.machine import Answer
from launchd.program import Program
from tests.fakes.macos.machine import FakeMachine
from tests.house import keys_of

EVERYTHING = Installed(
    node=Need(told="Node at /usr/bin/node"),
    qmd=Need(told="/qmd"),
    qmd_version="2.8.3",
    trainers=Need(told="all of it"),
    bases=Need(told="both"),
    notifier="osascript",
)


def found(subject: Subject, name: str):
    return CHECKS[name](subject)


def a_mac_that_is_well(mac: FakeMachine, tmp_path: Path) -> Subject:
    """All but for the agent: that is not installed."""
    os.umask(0o077)  # as every program of ours begins
    home = Home(root=tmp_path / "home")
    home.root.mkdir(mode=0o700)
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "a.md").write_text("# A\n")
    files = QmdFiles(config=tmp_path / "index.yml", index=tmp_path / "index.sqlite")
    files.config.write_text("collections: {}\n")
    adopt(Releases(home.releases, lambda live, _: live, lambda _: True), files, datetime(2026, 1, 2, tzinfo=UTC), {})
    machine = mac.machine("darwin")

    def arm64(argv, timeout) -> Answer:
        answer = mac.run(argv, timeout)
        return Answer(answer.code, answer.out.replace('"x86_64"', '"arm64"'), answer.err)

    machine = replace(machine, run=arm64)
    return Subject(
        home=home,
        machine=machine,
        agent=LaunchdAgent(machine, home, write_file),
        program=Program(home, write_file),
        qmd_files=files,
        collections=lambda: [Collection(name="notes", path=str(notes), pattern="**/*.md", ignore=())],
        installed=lambda: EVERYTHING,
        keys=keys_of(home),
        file_walls=lambda: "sandbox-exec",
        probe=lambda collections: {collection.name: probe_folder(collection.path) for collection in collections},
    )
