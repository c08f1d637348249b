"""Workers stand last in line, and keep a Mac awake only while they work."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from daemon.system import gentle as gentleness
from daemon.system.gentle import NICE, Wakefulness, gentle, make_gentle

SLEEPER = [sys.executable, "-c", "import time; time.sleep(30)"]


def test_a_worker_stands_last_in_line_for_processor_and_disk() -> None:
    worker = subprocess.Popen(SLEEPER)
    try:
        make_gentle(worker.pid)
        process = psutil.Process(worker.pid)
        assert process.nice() >= NICE
        if sys.platform == "linux":
            assert process.ionice() == (psutil.IOPRIO_CLASS_BE, 7)
    finally:
        worker.kill()
        worker.wait()


def test_a_worker_that_has_ended_is_no_error() -> None:
    worker = subprocess.Popen([sys.executable, "-c", ""])
    worker.wait()
    make_gentle(worker.pid)


def test_on_macos_a_worker_is_of_utility_quality_and_never_background(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    tool = tmp_path / "taskpolicy"
    monkeypatch.setattr(gentleness, "TASKPOLICY", str(tool))
    assert gentle(["worker"]) == ["worker"], "without the tool it still works"
    tool.touch()
    assert gentle(["worker"]) == [str(tool), "-c", "utility", "worker"]


@pytest.fixture
def caffeinate(tmp_path: Path) -> Path:
    """Writes down what it was asked for, and stays."""
    tool = tmp_path / "caffeinate"
    tool.write_text(
        f"#!{sys.executable}\nimport os, sys, time\n"
        f"open({str(tmp_path / 'asked')!r}, 'a').write(f\"{{os.getpid()}} {{' '.join(sys.argv[1:])}}\\n\")\n"
        "time.sleep(30)\n"
    )
    tool.chmod(0o755)
    return tool


def asked(folder: Path, lines: int) -> list[list[str]]:
    deadline = time.monotonic() + 5.0
    while time.monotonic() < deadline:
        if (folder / "asked").exists() and (folder / "asked").read_text().count("\n") >= lines:
            break
        time.sleep(0.02)
    return [line.split() for line in (folder / "asked").read_text().splitlines()]


def test_a_mac_is_kept_awake_only_while_work_goes_on_and_never_its_display(tmp_path: Path, caffeinate: Path) -> None:
    awake = Wakefulness(4711, str(caffeinate))
    awake.keep(True)
    awake.keep(True)
    [[first, *arguments]] = asked(tmp_path, 1)
    assert arguments == ["-i", "-w", "4711"]
    awake.keep(False)
    assert not psutil.pid_exists(int(first))
    awake.keep(True)
    [_, [second, *_]] = asked(tmp_path, 2)
    awake.keep(False)
    assert not psutil.pid_exists(int(second))


def test_elsewhere_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(subprocess, "Popen", pytest.fail)
    Wakefulness(4711).keep(True)
