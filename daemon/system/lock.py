"""One daemon per home: an advisory lock that the kernel lifts when its owner dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.domain.errors import Refused


@contextmanager
def single_daemon(path: Path) -> Iterator[None]:
    """Held for the block. Raises Refused when another daemon holds it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused(
                f"another iaipd already serves this home (pid {running_pid(path) or 'unknown'})",
                remedy="`iaipctl status` shows it; stop it first, or choose another home with --home",
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def running_pid(path: Path) -> int | None:
    """The pid of the daemon that holds the lock now, or none. Takes no lock for longer than the question."""
    try:
        with path.open("r+", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = file.read().strip()
                return int(text) if text.isdigit() else None
    except FileNotFoundError:
        pass
    return None
