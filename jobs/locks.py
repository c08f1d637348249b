"""Locks on directories. The kernel lifts them when their holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.domain.errors import Refused

PATIENCE_SECONDS = 10.0  # longer than any change takes
_POLL_SECONDS = 0.02


class Busy(Refused):
    """Another holds it for longer than there is patience."""


@contextmanager
def locked(directory: Path, *, of: str, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
    """No other thread or process is in a block on this directory meanwhile.

    Waits ``patience`` seconds at most and then raises Busy, which says that ``of`` was not changed. Raises
    FileNotFoundError or NotADirectoryError for what is no directory.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + patience
        while not taken(descriptor):
            if time.monotonic() >= deadline:
                raise Busy(f"another process is at {of}; nothing was changed", remedy="try again")
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def is_held(directory: Path) -> bool:
    """Whether anybody is in a block on it now. What is no directory, or gone, nobody holds."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not taken(descriptor)
    finally:
        os.close(descriptor)


def taken(descriptor: int) -> bool:
    """Whether the lock of an open file could be had at once; it goes with the descriptor."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
