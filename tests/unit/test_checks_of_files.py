"""What others may read of the home, and how quickly that is seen."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from config.paths import Home, QmdFiles
from daemon.checks.finding import Subject
from daemon.system.folders import probe_folder
from jobs.adoption import adopt
from jobs.domain.corpus import Collection
from jobs.publish import write_file
from jobs.releases import Releases
from launchd.launchd_agent import LaunchdAgent
from launchd.machine import Answer
from launchd.program import Program
from tests.house import keys_of
from tests.unit.checked import EVERYTHING, found


@pytest.fixture
def private() -> None:
    """As every program of ours begins."""
    os.umask(0o077)


@pytest.fixture
def subject(private, mac, tmp_path) -> Subject:
    """A Mac on which everything is well, but for the agent: that is not installed."""
    home = Home(root=tmp_path / "home")
    home.root.mkdir(mode=0o700)
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "a.md").write_text("# A\n")
    files = QmdFiles(config=tmp_path / "index.yml", index=tmp_path / "index.sqlite")
    files.config.write_text("collections: {}\n")
    adopt(Releases(home.releases, lambda live, _: live), files, datetime(2026, 1, 2, tzinfo=UTC), {})
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


def test_what_others_may_read_is_counted_by_place_and_closed_by_the_remedy(subject) -> None:
    datasets = subject.home.datasets
    datasets.mkdir()
    for path, mode in ((datasets, 0o755), (datasets / "rows", 0o644), (subject.home.root / "config.toml", 0o640)):
        path.touch()
        path.chmod(mode)
    finding = found(subject, "permissions")
    assert finding.level == "warn" and "3 files and folders" in finding.told
    assert "1 in config.toml, 2 in datasets" in finding.told
    subprocess.run(["/bin/sh", "-c", finding.remedy.strip("`")], check=True)
    assert found(subject, "permissions").level == "ok"


def test_links_out_of_the_home_are_not_audited(subject, tmp_path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o777)
    (subject.home.root / "link").symlink_to(tmp_path / "elsewhere")
    assert found(subject, "permissions").level == "ok"


def test_a_file_of_somebody_else_in_the_home_fails(subject, monkeypatch) -> None:
    (subject.home.root / "config.toml").touch(mode=0o600)
    monkeypatch.setattr("daemon.checks.privacy.os.getuid", lambda: os.geteuid() + 1)
    finding = found(subject, "permissions")
    assert finding.level == "fail" and "chown" in finding.remedy


def test_ten_thousand_files_are_audited_in_a_blink(subject) -> None:
    for folder in range(100):
        (subject.home.root / f"f{folder}").mkdir(mode=0o700)
        for file in range(100):
            (subject.home.root / f"f{folder}" / str(file)).touch(mode=0o600)
    began = time.monotonic()
    assert found(subject, "permissions").level == "ok"
    assert time.monotonic() - began < 2.0


def test_the_keys_check_says_where_the_master_key_is(subject) -> None:
    assert "nothing is sealed yet" in found(subject, "keys").told
    subject.keys.ids(["maria"])
    assert str(subject.home.keys) in found(subject, "keys").told
    (subject.home.keys / "master.json").write_bytes(b"{")
    assert found(subject, "keys").level == "fail"


def test_a_system_that_cannot_bar_writing_is_said_with_what_would(subject) -> None:
    bare = found(replace(subject, file_walls=lambda: "none"), "walls")
    assert bare.level == "warn" and "anywhere in your home" in bare.told and "landlock" in bare.remedy
    assert "its own folders alone (landlock)" in found(replace(subject, file_walls=lambda: "landlock"), "walls").told
