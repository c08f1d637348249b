"""Who owns a job, exactly: a pid alone may be reused, with its start time and the boot it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

from daemon.ledger.records import Owner
from jobs.domain.endings import UNKNOWN_BOOT
from launchd.machine import PLACES

SAME_START_SECONDS = 0.005


def boot_id() -> str:
    """Changes at every boot. Linux: the kernel's own; macOS: the boot session's UUID; "unknown" if neither tells."""
    try:
        if sys.platform == "darwin":
            command = [PLACES["sysctl"], "-n", "kern.bootsessionuuid"]
            told = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout
        else:
            told = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN_BOOT
    return told.strip() or UNKNOWN_BOOT


def this_process(boot: str) -> Owner:
    pid = os.getpid()
    started = started_at(pid)
    assert started is not None
    return Owner(boot=boot, pid=pid, started=started)


def is_alive(owner: Owner, boot: str) -> bool:
    """Whether the very process that claimed is still there."""
    if owner.boot != boot:
        return False
    started = started_at(owner.pid)
    return started is not None and abs(started - owner.started) < SAME_START_SECONDS


def started_at(pid: int) -> float | None:
    """When the process started, in seconds, the same at every call; none if it is gone or a zombie.

    Linux counts from boot (proc(5), field 22 of stat), so that setting the clock changes nothing. macOS
    keeps the moment that it wrote down at the start.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        if sys.platform == "darwin":
            return process.create_time()
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None
