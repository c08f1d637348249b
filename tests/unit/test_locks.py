"""A lock on a directory holds between threads and processes, and goes with its holder."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jobs.domain.errors import Refused
from jobs.locks import Busy, locked

HOLD = """
import sys, time
from pathlib import Path
from jobs.locks import locked
with locked(Path(sys.argv[1]), of="x"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_block_is_refused_in_words_after_its_patience(tmp_path: Path) -> None:
    with (
        locked(tmp_path, of="the releases"),
        pytest.raises(Refused, match="at the releases; nothing was changed"),
        locked(tmp_path, of="the releases", patience=0.05),
    ):
        pass


def test_a_second_block_waits_for_the_first(tmp_path: Path) -> None:
    order = []

    def second() -> None:
        with locked(tmp_path, of="x"):
            order.append("second")

    with locked(tmp_path, of="x"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(Busy), locked(tmp_path, of="x", patience=0.0):
            pass
        holder.kill()
        holder.wait()
        with locked(tmp_path, of="x", patience=1.0):
            pass


def test_an_error_in_the_block_stays_what_it_is_and_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError), locked(tmp_path, of="x"):
        raise BlockingIOError
    with locked(tmp_path, of="x", patience=0.0):
        pass


def test_nothing_is_made_where_there_is_no_directory(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), locked(tmp_path / "gone", of="x"):
        pass
    assert not (tmp_path / "gone").exists()
