"""A worker that outlives its daemon is ended, with its tools, if it does not leave by itself; no other process is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from config.paths import Home
from daemon import orphans as module
from daemon.ledger.records import Owner
from daemon.orphans import Orphans, Worker, noted
from daemon.runner import run_worker
from daemon.system.processes import boot_id, started_at, this_process
from jobs.heavy_slot import heavy_slot
from jobs.wire import RUN, Done, JobSpec, Stage, encode

HOLDS = """
import pathlib, sys
from jobs.heavy_slot import heavy_slot
from jobs.lifeline import Lifeline
line = Lifeline(sys.stdin.buffer, "baseline")
with heavy_slot(pathlib.Path(sys.argv[1]), line.should_stop, lambda holder: None):
    print("holds", flush=True)
    while True:
        line.should_stop()
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(root=tmp_path)


@pytest.fixture
def hung(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in the heavy slot that is stopped, as one that hangs in the kernel or with the interpreter's lock, and
    whose daemon has closed its pipe."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path / "slot")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0,
    )
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == b"holds\n"
    os.kill(process.pid, signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)  # all its threads stand still: none reads that the pipe was closed
    process.stdin.close()
    yield process
    process.kill()
    process.wait()


def note(home: Home, pid: int, stage: Stage, daemon: Owner, started: float | None = None) -> Path:
    process = Owner(boot=boot_id(), pid=pid, started=(started_at(pid) or 0.0) if started is None else started)
    home.workers.mkdir(parents=True, exist_ok=True)
    path = home.workers / f"{pid}.json"
    path.write_bytes(msgspec.json.encode(Worker(process=process, daemon=daemon, stage=stage)))
    return path


def dead() -> Owner:
    return Owner(boot=boot_id(), pid=os.getpid(), started=-1.0)


def test_a_hung_orphan_is_ended_and_the_heavy_slot_is_free(
    home: Home, hung: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    left = note(home, hung.pid, "baseline", dead())
    orphans = Orphans(home, boot_id())
    orphans.end()
    assert hung.wait(timeout=10) == -signal.SIGKILL
    with heavy_slot(tmp_path / "slot", lambda: False, pytest.fail):
        pass
    orphans.end()
    assert not left.exists()


def test_a_training_has_its_time_for_a_checkpoint_first(
    home: Home, hung: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    note(home, hung.pid, "train", dead())
    orphans, began, passed = Orphans(home, boot_id()), time.monotonic(), {"seconds": 0.0}
    monkeypatch.setattr(time, "monotonic", lambda: began + passed["seconds"])
    for seconds, alive in (
        (0.0, True),
        (module.SECONDS_TO_CHECKPOINT - 1, True),
        (module.SECONDS_TO_CHECKPOINT, False),
    ):
        passed["seconds"] = seconds
        orphans.end()
        assert hung.poll() is None or not alive
    assert hung.wait(timeout=10) == -signal.SIGKILL


def test_the_worker_of_a_living_daemon_is_left_alone(home: Home, hung: subprocess.Popen[bytes]) -> None:
    left = note(home, hung.pid, "baseline", this_process(boot_id()))
    Orphans(home, boot_id()).end()
    assert hung.poll() is None and left.exists()


def test_another_process_of_the_same_number_is_never_touched(home: Home, hung: subprocess.Popen[bytes]) -> None:
    reused = note(home, hung.pid, "baseline", dead(), started=-5.0)
    Orphans(home, boot_id()).end()
    assert hung.poll() is None and not reused.exists()


def test_a_note_that_is_none_is_cleared_and_no_folder_is_no_trouble(home: Home) -> None:
    Orphans(home, boot_id()).end()
    home.workers.mkdir(parents=True)
    (home.workers / "7.json").write_bytes(b"{")
    Orphans(home, boot_id()).end()
    assert list(home.workers.iterdir()) == []


def test_a_worker_is_noted_before_it_is_told_of_its_job_and_until_it_has_ended(tmp_path: Path) -> None:
    home, done = Home(root=tmp_path / "home"), encode(Done(result={}))
    code = (
        "import pathlib, sys; sys.stdin.buffer.readline(); folder = pathlib.Path(sys.argv[1])\n"
        "[noted] = folder.glob('*.json'); pathlib.Path(sys.argv[2], 'seen').write_bytes(noted.read_bytes())\n"
        f"sys.stdout.buffer.write({done!r}); sys.stdout.flush()\n"
    )
    spec = JobSpec(job=1, stage="dataset", home=str(home.root))
    command = (sys.executable, "-c", code, str(home.workers), str(home.stages))
    assert run_worker(spec, tmp_path / "log", lambda event: None, lambda: RUN, command) == Done(result={})
    seen = msgspec.json.decode((home.stages / "seen").read_bytes(), type=Worker)
    assert (seen.daemon, seen.stage) == (this_process(boot_id()), "dataset")
    assert list(home.workers.iterdir()) == []


def test_a_disk_without_room_for_the_note_fails_no_job(home: Home) -> None:
    home.workers.parent.mkdir()
    home.workers.touch()  # where a folder should be
    with noted(home, os.getpid(), "dataset"):
        pass
