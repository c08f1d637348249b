"""A worker's standard input after its JobSpec: the daemon's orders, and proof that the daemon lives."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import BinaryIO

from jobs.wire import LEAVE, RUN, Order, Stage, decode_order

SECONDS_TO_CHECKPOINT = 40.0  # the daemon ends it five seconds later (daemon/runner.py)
LONGEST_REST = 30.0


class Lifeline:
    """Obeys the latest order at step boundaries. A closed pipe means that the daemon died: as if told to leave."""

    def __init__(self, stream: BinaryIO, stage: Stage) -> None:
        self._order = RUN
        self._worked_from = time.monotonic()
        self._changed = threading.Condition()
        self._stream = stream
        self._stage = stage
        threading.Thread(target=self._listen, name="lifeline", daemon=True).start()

    def should_stop(self) -> bool:
        """To be asked at every step boundary, by one thread. Slowed down it sleeps here, paused it waits here."""
        order = self._order
        if order.kind == "run":  # what nearly every step finds: it costs a tenth of a microsecond
            return False
        if order.kind != "checkpoint-and-exit":
            self._rest()
        return self._order.kind == "checkpoint-and-exit"

    def _rest(self) -> None:
        with self._changed:
            if self._order.kind == "slow":
                worked = time.monotonic() - self._worked_from
                seconds = min(worked * self._order.rest / (1.0 - self._order.rest), LONGEST_REST)
                self._changed.wait_for(lambda: self._order.kind != "slow", timeout=seconds)
            self._changed.wait_for(lambda: self._order.kind != "pause")
            self._worked_from = time.monotonic()

    def _listen(self) -> None:
        for line in self._stream:
            try:
                order = decode_order(line)
            except ValueError:
                order = LEAVE  # daemon and worker no longer understand each other
            self._take(order)
        self._take(LEAVE)

    def _take(self, order: Order) -> None:
        """Leaving is final."""
        with self._changed:
            if self._order == LEAVE:
                return
            if self._order.kind == "run":
                self._worked_from = time.monotonic()
            self._order = order
            self._changed.notify_all()
        if order.kind == "checkpoint-and-exit":
            self._leave()

    def _leave(self) -> None:
        """Training gets time for its checkpoint; every other stage starts again from its inputs anyway."""
        if self._stage != "train":
            end_process_group()
        timer = threading.Timer(SECONDS_TO_CHECKPOINT, end_process_group)
        timer.daemon = True
        timer.start()


def end_process_group() -> None:
    """Ends this process and every tool it started. The worker leads its own group; run by hand it does not."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(75)
