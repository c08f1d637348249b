"""Workers behind everything else the owner does, and a machine that stays awake only while they work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from launchd.machine import PLACES

TASKPOLICY = PLACES["taskpolicy"]
CAFFEINATE = PLACES["caffeinate"]
NICE = 10
SECONDS_TO_END = 5.0


def gentle(command: Sequence[str]) -> list[str]:
    """The command at macOS's utility quality of service, which its children inherit; elsewhere as it is.

    Never "background": that one would be kept to the slow cores, and could not be lifted again.
    """
    if sys.platform == "darwin" and Path(TASKPOLICY).exists():
        return [TASKPOLICY, "-c", "utility", *command]
    return list(command)


def make_gentle(pid: int) -> None:
    """The last in line for processor and disk, for a process that has just started and all it will start."""
    with suppress(psutil.Error, OSError):  # best effort: it has ended, or the system does not let us
        process = psutil.Process(pid)
        process.nice(max(NICE, process.nice()))
        if sys.platform == "linux":
            process.ionice(psutil.IOPRIO_CLASS_BE, 7)


class Wakefulness:
    """Keeps a Mac from falling asleep, never its display: caffeinate ends by itself when ``pid`` does."""

    def __init__(self, pid: int, caffeinate: str | None = None) -> None:
        self._command = [caffeinate or CAFFEINATE, "-i", "-w", str(pid)]
        self._able = caffeinate is not None or (sys.platform == "darwin" and Path(CAFFEINATE).exists())
        self._process: subprocess.Popen[bytes] | None = None

    def keep(self, awake: bool) -> None:
        if awake and self._able and self._process is None:
            with suppress(OSError):  # best effort: the work goes on when the machine wakes
                self._process = subprocess.Popen(
                    self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
        elif not awake and self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):  # it is left behind; it ends with the worker in any case
                self._process.wait(timeout=SECONDS_TO_END)
            self._process = None
