"""What a killed daemon leaves in the temporary folder is swept at a start; what lives, or is another's, is not."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from daemon.system import temporary
from daemon.system.temporary import PREFIX, sweep_temporary, temporary_folder
from daemon.system.witness import Witness

KILLED = """
import os, signal, sys, tempfile
tempfile.tempdir = sys.argv[1]
from daemon.system.witness import Witness
with Witness() as witness:
    print(witness.folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A temporary folder of the test's own, where a lock need not be a minute old."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(temporary, "SECONDS_TO_LOCK", -1.0)
    return str(tmp_path)


def test_what_a_killed_process_left_goes_and_what_lives_stays(place: str) -> None:
    left = subprocess.run([sys.executable, "-c", KILLED, place], capture_output=True, text=True, check=False).stdout
    assert (Path(left.strip()) / "stream").exists()
    with Witness() as alive:
        assert sweep_temporary(()) == 1
        assert not Path(left.strip()).exists() and (alive.folder / "stream").exists()
    assert list(Path(place).iterdir()) == []


def test_what_is_younger_than_a_lock_a_link_or_a_file_is_left_alone(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporary, "SECONDS_TO_LOCK", 60.0)
    (Path(place) / f"{PREFIX}young").mkdir()
    for name in ("elsewhere", f"{PREFIX}file"):
        (Path(place) / name).touch()
        os.utime(Path(place) / name, (time.time() - 3600, time.time() - 3600))
    (Path(place) / f"{PREFIX}link").symlink_to(place)
    assert sweep_temporary(()) == 0 and len(list(Path(place).iterdir())) == 4


def test_the_path_is_short_enough_for_a_socket_in_macos_s_temporary_folder() -> None:
    user_s_own = "/private/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T"
    with temporary_folder() as folder:
        assert len(f"{user_s_own}/{folder.name}/datagram") <= 103
