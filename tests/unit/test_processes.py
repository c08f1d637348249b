"""A process is told from every other that ever had its pid."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.system import processes
from daemon.system.processes import boot_id, is_alive, started_at, this_process
from jobs.domain.endings import UNKNOWN_BOOT


def test_this_process_is_alive_and_its_identity_does_not_move() -> None:
    boot = boot_id()
    first, second = this_process(boot), this_process(boot)
    assert first == second
    assert is_alive(first, boot)


def test_another_boot_or_another_start_is_another_process() -> None:
    me = this_process("this boot")
    assert not is_alive(me, "another boot")
    other = type(me)(boot=me.boot, pid=me.pid, started=me.started - 1)
    assert not is_alive(other, me.boot)


def test_a_process_that_ended_is_dead_also_before_anybody_buried_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert started_at(child.pid) is not None
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now
    assert started_at(child.pid) is None
    child.communicate()
    assert started_at(child.pid) is None


@pytest.mark.skipif(sys.platform != "linux", reason="macOS keeps the moment that it wrote down at the start")
def test_the_start_is_counted_from_boot_so_that_no_clock_moves_it() -> None:
    started = started_at(os.getpid())
    assert started is not None
    assert 0 < started <= float(Path("/proc/uptime").read_text().split()[0])


def test_a_boot_that_nobody_tells_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: str) -> Path:
        return Path("/nowhere/boot_id")

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(processes, "Path", absent)
    assert boot_id() == UNKNOWN_BOOT


@pytest.mark.parametrize("harm", [OSError("gone"), subprocess.TimeoutExpired("sysctl", 5)])
def test_a_sysctl_that_is_missing_or_hangs_leaves_the_boot_unknown(
    monkeypatch: pytest.MonkeyPatch, harm: Exception
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise harm

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", breaks)
    assert boot_id() == UNKNOWN_BOOT
