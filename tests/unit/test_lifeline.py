"""Orders down a real pipe: a worker slows, waits and leaves at its step boundaries."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from jobs import lifeline as lifelines
from jobs.lifeline import Lifeline
from jobs.wire import LEAVE, PAUSE, RUN, Order, encode, slow


class Daemon:
    """The other end of the pipe."""

    def __init__(self) -> None:
        reading, self.writing = os.pipe()
        self.lifeline = Lifeline(os.fdopen(reading, "rb"), "train")

    def says(self, order: Order | bytes) -> None:
        os.write(self.writing, order if isinstance(order, bytes) else encode(order))
        until(lambda: self.lifeline._order == (LEAVE if isinstance(order, bytes) else order))

    def dies(self) -> None:
        os.close(self.writing)
        until(lambda: self.lifeline._order == LEAVE)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    monkeypatch.setattr(lifelines, "end_process_group", lambda: None)
    monkeypatch.setattr(lifelines, "SECONDS_TO_CHECKPOINT", 0.01)
    yield Daemon()


class Steps:
    """A training of short steps in a thread of its own."""

    def __init__(self, lifeline: Lifeline, seconds: float) -> None:
        self.done = 0
        self._lifeline = lifeline
        self._seconds = seconds
        self._ends = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def rest(self) -> bool:
        """Whether none is done for a fifth of a second."""
        before = self.done
        time.sleep(0.2)
        return self.done == before

    def end(self) -> None:
        self._ends.set()

    def _run(self) -> None:
        while not self._ends.is_set() and not self._lifeline.should_stop():
            time.sleep(self._seconds)
            self.done += 1


def test_unasked_it_runs(daemon: Daemon) -> None:
    assert not daemon.lifeline.should_stop()


def test_it_pauses_and_goes_on(daemon: Daemon) -> None:
    steps = Steps(daemon.lifeline, 0.005)
    daemon.says(PAUSE)
    until(steps.rest)
    paused_at = steps.done
    assert steps.rest()
    daemon.says(RUN)
    until(lambda: steps.done > paused_at + 5)
    steps.end()


def test_slowed_it_rests_the_share_it_was_told(daemon: Daemon) -> None:
    daemon.says(slow(0.75))
    for _ in range(2):
        time.sleep(0.1)
        began = time.monotonic()
        assert not daemon.lifeline.should_stop()
        assert time.monotonic() - began >= 0.29, "a tenth of a second's work, three of rest"


def test_it_leaves_from_the_middle_of_a_pause(daemon: Daemon) -> None:
    daemon.says(PAUSE)
    steps = Steps(daemon.lifeline, 0.005)
    daemon.says(LEAVE)
    steps.thread.join(timeout=20.0)
    assert not steps.thread.is_alive()


def test_a_rest_ends_when_the_order_changes(daemon: Daemon) -> None:
    daemon.says(slow(0.95))
    time.sleep(1.0)
    began = time.monotonic()
    threading.Timer(0.05, lambda: daemon.says(RUN)).start()
    daemon.lifeline.should_stop()
    assert time.monotonic() - began < 10.0, "the whole rest would have been nineteen seconds"


@pytest.mark.parametrize("line", [b"what?\n", b'{"kind":"dance"}\n', b'{"kind":"slow","rest":7}\n'])
def test_what_it_does_not_understand_makes_it_leave(daemon: Daemon, line: bytes) -> None:
    daemon.says(line)
    assert daemon.lifeline.should_stop()


def test_it_leaves_when_the_daemon_dies_even_while_paused(daemon: Daemon) -> None:
    daemon.says(PAUSE)
    steps = Steps(daemon.lifeline, 0.005)
    daemon.dies()
    steps.thread.join(timeout=20.0)
    assert not steps.thread.is_alive()


def test_leaving_is_final(daemon: Daemon) -> None:
    daemon.says(LEAVE)
    os.write(daemon.writing, encode(RUN))
    time.sleep(0.2)
    assert daemon.lifeline.should_stop()


def test_asking_costs_next_to_nothing(daemon: Daemon) -> None:
    began = time.thread_time()
    for _ in range(100_000):
        daemon.lifeline.should_stop()
    assert time.thread_time() - began < 0.5
