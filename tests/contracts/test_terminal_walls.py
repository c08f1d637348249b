"""A job types into no terminal: what it typed there would be a command of the person's own."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from daemon.runner import run_worker
from daemon.system.sandbox import confined, job_environment
from daemon.system.witness import Witness
from jobs.domain.confinement import Receipt
from jobs.wire import RUN, Done, Event, JobSpec
from tests.contracts.confining import linux

SMALL_WORKER = (sys.executable, "-m", "tests.fakes.small_worker")
TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
TYPING = (termios.TIOCSTI, 0x541C)  # and TIOCLINUX, of a console
TYPES = "import os\nfrom jobs.probes import try_every_way as t\nprint(t(9, os.devnull)[-1].outcome)"


@pytest.fixture
def window() -> Iterator[tuple[int, int]]:
    """Both sides of a terminal that hands over each character as it is typed."""
    master, slave = os.openpty()
    settings = termios.tcgetattr(slave)
    settings[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    yield master, slave
    os.close(master)
    os.close(slave)


def in_window(command: Sequence[str], slave: int, environment: dict[str, str]) -> str:
    """What the command printed, whose terminal this window is."""
    started = [sys.executable, "-c", TERMINAL, *command]
    done = subprocess.run(
        started, stdin=slave, stdout=subprocess.PIPE, env=environment, timeout=60, check=True, start_new_session=True
    )
    return done.stdout.decode().splitlines()[-1]


def typed(slave: int) -> bytes:
    return os.read(slave, 9) if select.select([slave], [], [], 0.2)[0] else b""


@linux
def test_on_every_rung_nothing_is_typed_into_the_terminal_it_was_started_from(
    witness: Witness, window: tuple[int, int], around: Sequence[str]
) -> None:
    library = "import ctypes, errno, os; c = ctypes.CDLL(None, use_errno=True); t = os.open('/dev/tty', 0); "
    typing = f"print(*[c.ioctl(t, code, b'x') and errno.errorcode[ctypes.get_errno()] for code in {TYPING}])"
    command = [*around, *confined([sys.executable, "-c", library + typing], witness, {})]
    assert in_window(command, window[1], job_environment(witness)) == "EACCES EACCES"
    assert typed(window[1]) == b""


def test_without_walls_the_canary_types_where_the_system_lets_it(window: tuple[int, int]) -> None:
    outcome = in_window([sys.executable, "-c", TYPES], window[1], {**os.environ, "PYTHONPATH": str(Path.cwd())})
    assert (outcome, typed(window[1])) in [("open", b"\0"), ("EIO", b"")], "Linux since 6.2 may refuse it to all"


def test_a_worker_is_in_a_session_of_its_own_which_has_no_terminal(tmp_path: Path) -> None:
    sessions: list[bool] = []

    def look(event: Event) -> None:
        if isinstance(event, Receipt):
            [worker] = [child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
            sessions.append(os.getsid(worker) == worker)

    spec = JobSpec(job=7, stage="train", home=str(tmp_path))
    assert isinstance(run_worker(spec, tmp_path / "log", look, lambda: RUN, SMALL_WORKER), Done)
    assert sessions == [True]
