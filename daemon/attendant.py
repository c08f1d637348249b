"""A thread that finishes withdrawals as they are asked. What is open is told by the journal in the consent folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from daemon.ledger.database import Damaged
from daemon.withdrawals import Waits
from jobs.consent.withdrawals import Journal
from jobs.domain.errors import IaipError
from jobs.domain.withdrawal import Withdrawal

log = structlog.get_logger()

LOOK_SECONDS = 0.5
RETRY_SECONDS = 30.0


class Finisher(Protocol):
    def finish(self, one: Withdrawal) -> Withdrawal: ...

    def stop_what_was_asked(self) -> None: ...


class Attendant:
    def __init__(self, withdrawer: Finisher, journal: Journal, damaged: Callable[[Damaged], None]) -> None:
        self._withdrawer = withdrawer
        self._journal = journal
        self._damaged = damaged
        self._finished: tuple[int, int] | None = None
        self._again_at = 0.0
        self._tried: tuple[int, int] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="withdrawals")

    def start(self) -> None:
        """Releases whose withdrawal a crash cut off stop before anything else begins."""
        try:
            self._withdrawer.stop_what_was_asked()
        except IaipError as error:  # search goes on, and no training starts while this lasts
            log.error("a withdrawal cannot be taken up", reason=error.message, remedy=error.remedy)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def at_rest(self) -> bool:
        """Whether no withdrawal is open: nothing heavy starts before."""
        return self._finished == self._journal.stamp()

    def _run(self) -> None:
        while True:
            self._look()
            if self._stop.wait(LOOK_SECONDS):
                return

    def _look(self) -> None:
        stamp = self._journal.stamp()
        if stamp == self._finished or (stamp == self._tried and time.monotonic() < self._again_at):
            return
        try:
            for one in self._journal.open():
                self._withdrawer.finish(one)
                log.info("a withdrawal is finished", withdrawal=one.id)
            self._finished = stamp if stamp == self._journal.stamp() else None
        except Waits:
            pass
        except Damaged as damage:
            self._damaged(damage)
        except IaipError as error:
            log.warning("a withdrawal waits", reason=error.message, remedy=error.remedy)
            self._later()
        except Exception:  # the boundary of this thread: what failed is tried again, and the daemon goes on
            log.exception("a withdrawal could not go on")
            self._later()

    def _later(self) -> None:
        self._tried, self._again_at = self._journal.stamp(), time.monotonic() + RETRY_SECONDS
