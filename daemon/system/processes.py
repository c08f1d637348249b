"""Who owns a job, exactly: a pid alone may be reused, with its start time and the boot it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from daemon.ledger.records import Owner

SAME_START_SECONDS = 1.0


def boot_id() -> str:
    """Changes at every boot. Linux: the kernel's own; macOS: the boot session's UUID."""
    if sys.platform == "darwin":
        told = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True, timeout=5, check=True
        )
        return told.stdout.strip()
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def this_process(boot: str) -> Owner:
    me = psutil.Process()
    return Owner(boot=boot, pid=me.pid, started=me.create_time())


def is_alive(owner: Owner, boot: str) -> bool:
    """Whether the very process that claimed is still there."""
    if owner.boot != boot:
        return False
    try:
        process = psutil.Process(owner.pid)
        return (
            abs(process.create_time() - owner.started) < SAME_START_SECONDS and process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.NoSuchProcess:
        return False
