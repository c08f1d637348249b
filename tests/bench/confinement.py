"""What it costs a worker to be confined and to prove it, at its start. Afterwards it costs nothing to speak of."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from daemon.system.sandbox import confined, worker_environment
from daemon.system.witness import Witness
from tests.bench.measure import Row

STARTS = 20


def measure(folder: Path) -> list[Row]:
    """``folder`` is scratch space. Medians: with and without take turns, so that a busy machine slows both."""
    program = [sys.executable, "-c", ""]
    plain, guarded = [], []
    for _ in range(STARTS):
        plain.append(_start(program, folder))
        with Witness() as witness:
            guarded.append(_start(confined(program, witness, {}), folder))
    wall, used = (
        statistics.median(after[place] - before[place] for before, after in zip(plain, guarded, strict=True))
        for place in (0, 1)
    )
    return [
        Row(name="confinement and its receipt, added to a start", value=wall, unit="s", goal=0.3, better="lower"),
        Row(name="the same in processor time", value=used, unit="s", goal=0.3, better="lower"),
    ]


def _start(command: Sequence[str], folder: Path) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    began, before = time.perf_counter(), os.times()
    subprocess.run(command, env=worker_environment(), stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - began, used
