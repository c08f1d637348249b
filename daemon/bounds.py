"""The first and the last minute of a daemon: a start waits for a home out of reach, and an end is one for certain."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import structlog

from daemon.ledger.database import OutOfReach
from daemon.supervision import TRY_AGAIN
from daemon.system.service_manager import tell_service_manager

log = structlog.get_logger()

SECONDS_TO_STOP = 58.0
SECONDS_BETWEEN_LOOKS = 60.0
Reached = TypeVar("Reached")


def at_once(error: Exception) -> None:
    """The ``wait`` of a daemon that somebody looks at: there is none."""
    raise error


def in_reach(step: Callable[[], Reached], wait: Callable[[Exception], None]) -> Reached:
    """Does ``step``, again after ``wait`` as long as the home is out of reach. The step leaves nothing half done."""
    while True:
        try:
            return step()
        except (OutOfReach, OSError) as error:
            wait(error)


class Patience:
    """For a start that finds its disk full, failing or read-only: waits a minute a call, and tells the owner once.

    Waiting is all there is to do. A supervisor starts a daemon that ends a few times only, and where a disk is full
    no count and no reason could be kept for the next start.
    """

    def __init__(self, tell: Callable[[str, str], None], sleep: Callable[[float], None] = time.sleep) -> None:
        self._tell = tell
        self._sleep = sleep
        self._told = False

    def __call__(self, error: Exception) -> None:
        if not self._told:
            log.error("the home cannot be written: waiting", error=type(error).__name__)
            self._tell("out-of-reach", "")
            self._told = True
        longer = 2 * SECONDS_BETWEEN_LOOKS * 1e6
        tell_service_manager(f"EXTEND_TIMEOUT_USEC={longer:.0f}")  # it is starting all the while
        self._sleep(SECONDS_BETWEEN_LOOKS)


@contextmanager
def gone_in_time(stopping: threading.Event) -> Iterator[None]:
    """Once ``stopping`` is set, the process is gone after SECONDS_TO_STOP, whatever in the block hangs.

    The next start finds what a kill would have left. The workers meet a closed pipe and leave by themselves.
    """
    over = threading.Event()

    def watch() -> None:
        stopping.wait()
        if not over.wait(SECONDS_TO_STOP):
            log.error("something did not stop in time: ending at once")
            os._exit(TRY_AGAIN)

    threading.Thread(target=watch, name="end", daemon=True).start()
    try:
        yield
    finally:
        over.set()
