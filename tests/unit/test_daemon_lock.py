"""One daemon a home; whoever only asks for it is never taken for one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.system import lock
from daemon.system.lock import running_pid, single_daemon
from jobs.domain.errors import Refused


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "home" / "daemon.lock"


@pytest.fixture
def askers(place: Path) -> Iterator[None]:
    """Several who ask without a pause."""
    place.parent.mkdir()
    place.touch()
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            running_pid(place)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    yield
    over.set()
    for thread in threads:
        thread.join()


@pytest.mark.usefixtures("askers")
def test_those_who_ask_never_keep_a_daemon_from_starting(place: Path) -> None:
    for _ in range(60):
        with single_daemon(place):
            assert running_pid(place) == os.getpid()
    assert running_pid(place) is None


def test_another_daemon_is_refused_at_once(place: Path) -> None:
    with single_daemon(place):
        began = time.monotonic()
        with pytest.raises(Refused, match=f"pid {os.getpid()}"), single_daemon(place):
            pass
        assert time.monotonic() - began < lock.PATIENCE_SECONDS / 2


@pytest.mark.usefixtures("askers")
def test_of_many_daemons_that_start_at_once_one_serves(place: Path) -> None:
    served, refused, all_tried = [], [], threading.Barrier(4)

    def start(number: int) -> None:
        try:
            with single_daemon(place):
                served.append(number)
                all_tried.wait(30)
        except Refused:
            refused.append(number)
            all_tried.wait(30)

    threads = [threading.Thread(target=start, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(served), len(refused)) == (1, 3)
