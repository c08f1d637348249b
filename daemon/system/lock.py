"""One daemon per home: an advisory lock that the kernel lifts when its owner dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from jobs.domain.errors import Refused

PATIENCE_SECONDS = 2.0
"""For those who only ask who holds the lock: each of them is in the way for an instant."""


@contextmanager
def single_daemon(path: Path) -> Iterator[None]:
    """Held for the block. Raises Refused when another daemon holds it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a+", encoding="ascii") as file:
        if not _taken(file):
            raise Refused(
                f"another iaipd already serves this home (pid {running_pid(path) or 'unknown'})",
                remedy="`iaipctl status` shows it; stop it first, or choose another home with --home",
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _taken(file: TextIO) -> bool:
    """Whether the lock is ours now. Another daemon is told from a passing question by its lock, which is not shared."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _locked(file, fcntl.LOCK_EX):
        if not _locked(file, fcntl.LOCK_SH) or time.monotonic() > deadline:
            return False
        fcntl.flock(file, fcntl.LOCK_UN)
        time.sleep(0.002)
    return True


def _locked(file: TextIO, how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def running_pid(path: Path) -> int | None:
    """The pid of the daemon that holds the lock now, or none. Takes no lock for longer than the question."""
    try:
        with path.open("r+", encoding="ascii") as file:
            if not _locked(file, fcntl.LOCK_SH):
                text = file.read().strip()
                return int(text) if text.isdigit() else None
    except FileNotFoundError:
        pass
    return None
