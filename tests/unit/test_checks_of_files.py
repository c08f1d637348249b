"""What others may read of the home, and how quickly that is seen."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace

import pytest

from daemon.checks.finding import Subject
from tests.unit.checked import a_mac_that_is_well, found


@pytest.fixture
def subject(mac, tmp_path) -> Subject:
    return a_mac_that_is_well(mac, tmp_path)


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
