"""One heavy job at a time for one user, over all homes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.paths import runtime_directory
from jobs import heavy_slot as slots
from jobs.domain.errors import Refused, Stopped
from jobs.heavy_slot import heavy_slot

HOLDER = """
import sys, pathlib
from jobs.heavy_slot import heavy_slot
with heavy_slot(pathlib.Path(sys.argv[1]), lambda: False, lambda holder: None):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process that has the slot."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "run")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_the_second_waits_until_the_first_is_gone(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    waits: list[str] = []

    def told(holder: str) -> None:
        waits.append(holder)
        other.kill()
        other.wait()

    with heavy_slot(tmp_path / "run", lambda: False, told):
        assert waits == [str(other.pid)], "it is named, and the kernel frees the slot however its holder dies"


def test_who_waits_can_be_stopped(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    with pytest.raises(Stopped), heavy_slot(tmp_path / "run", lambda: True, lambda holder: None):
        pass
    other.kill()
    other.wait()


def test_a_free_slot_is_taken_at_once_and_again(tmp_path: Path) -> None:
    for _ in range(2):
        with heavy_slot(tmp_path / "run", lambda: False, pytest.fail):
            assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_a_place_that_somebody_else_made_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    with pytest.raises(Refused, match="somebody else"), heavy_slot(tmp_path, lambda: False, lambda holder: None):
        pass


def test_all_homes_of_a_user_share_one_place() -> None:
    assert runtime_directory({"XDG_RUNTIME_DIR": "/run/user/7"}) == Path("/run/user/7/iaip")
    assert runtime_directory({}) == runtime_directory({"IAIP_HOME": "/elsewhere"})


def test_who_waits_long_says_so_again_and_again(
    tmp_path: Path, other: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "_TELL_SECONDS", 0.05)
    monkeypatch.setattr(slots, "_POLL_SECONDS", 0.02)
    waits: list[str] = []
    with pytest.raises(Stopped), heavy_slot(tmp_path / "run", lambda: len(waits) > 2, waits.append):
        pass
    other.kill()
