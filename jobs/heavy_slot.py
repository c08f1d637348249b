"""One heavy job at a time for one user of one machine, over all homes and daemons."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from jobs.domain.errors import Refused, Stopped
from jobs.locks import taken

_POLL_SECONDS = 0.5
_TELL_SECONDS = 60.0


@contextmanager
def heavy_slot(place: Path, should_stop: Callable[[], bool], on_wait: Callable[[str], None]) -> Iterator[None]:
    """Held for the block; the kernel frees it however its holder dies. Calls ``on_wait`` with the holder's pid (empty
    if nobody tells it) if it must wait, and every minute that it waits: who waits is not silent.

    ``place`` is a directory of this user alone. Raises Stopped when asked to stop while waiting, and Refused for
    a place that somebody else made.
    """
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    if place.stat().st_uid != os.getuid():
        raise Refused(f"{place} belongs to somebody else", remedy=f"ask the administrator to remove {place}")
    with (place / "heavy.lock").open("a+", encoding="ascii") as lock:
        told = float("-inf")
        while not taken(lock.fileno()):
            if time.monotonic() - told >= _TELL_SECONDS:
                on_wait(_holder(lock))
                told = time.monotonic()
            if should_stop():
                raise Stopped("another heavy job of this user was running", remedy="nothing to do: it starts later")
            time.sleep(_POLL_SECONDS)
        with suppress(OSError):  # whose it is, for those who wait: nothing depends on it
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
        yield


def _holder(lock: TextIO) -> str:
    lock.seek(0)
    told = lock.read(20)
    return told if told.isdecimal() else ""
