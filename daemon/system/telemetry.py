"""The machine's condition, read gauge by gauge: cheap ones at every sample, dear ones less often and beside it."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from daemon.readings import Readings, Unknown

TOOL_SECONDS = 1.0
SAMPLE_SECONDS = 0.04
SILENT_SECONDS = 10.0
"""A tool that ended neither by itself nor by TOOL_SECONDS: what it told last is no reading any more."""
SWAP_WINDOW = 60.0

Ask = Callable[[Sequence[str]], str]


class NoReading(Exception):
    """There is no value; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Gauge:
    """``read`` returns the value of one field of Readings, or raises. It is taken every ``every`` seconds at most.

    ``by_tool``: it asks another program, which may take its time.
    """

    every: float
    read: Callable[[], object]
    by_tool: bool = False


@dataclass(kw_only=True)
class Telemetry:
    """Samples its gauges. A sample waits ``patience`` seconds for tools: what they tell later is in the next one.

    The first sample waits for all. A gauge that raises gives Unknown with the reason, until its next turn.
    """

    gauges: Mapping[str, Gauge]
    clock: Callable[[], float] = time.monotonic
    patience: float = SAMPLE_SECONDS
    _readings: Readings = field(default_factory=Readings)
    _taken: dict[str, float] = field(default_factory=dict)
    _asked: dict[str, Future[object]] = field(default_factory=dict)
    _asking: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(thread_name_prefix="gauges"))

    def sample(self) -> Readings:
        now, first = self.clock(), not self._taken
        fresh: dict[str, object] = {}
        for name in self._due(now):
            gauge = self.gauges[name]
            self._taken[name] = now
            if gauge.by_tool:
                self._asked[name] = self._asking.submit(_value, gauge)
            else:
                fresh[name] = _value(gauge)
        wait(self._asked.values(), timeout=SILENT_SECONDS if first else self.patience)
        for name, answer in list(self._asked.items()):
            if answer.done():
                fresh[name] = self._asked.pop(name).result()
            elif now - self._taken[name] > SILENT_SECONDS:
                fresh[name] = Unknown(reason="its tool neither answers nor ends")
        self._readings = msgspec.structs.replace(self._readings, **fresh)
        return self._readings

    def _due(self, now: float) -> list[str]:
        return [
            name
            for name, gauge in self.gauges.items()
            if name not in self._asked and now - self._taken.get(name, -math.inf) >= gauge.every
        ]


def telemetry(home: Path) -> Telemetry:
    """This machine's gauges; ``home`` is on the volume whose room counts."""
    if sys.platform == "darwin":
        from daemon.system.telemetry_macos import gauges

        return Telemetry(gauges={**shared_gauges(home), **gauges(ask)})
    from daemon.system.telemetry_linux import LINUX
    from daemon.system.telemetry_linux import gauges as linux_gauges

    return Telemetry(gauges={**shared_gauges(home), **linux_gauges(LINUX, ask)})


def shared_gauges(home: Path) -> dict[str, Gauge]:
    return {
        "free_disk": Gauge(every=0.0, read=lambda: shutil.disk_usage(home).free),
        "load": Gauge(every=0.0, read=lambda: os.getloadavg()[0] / (os.cpu_count() or 1)),
    }


def ask(argv: Sequence[str]) -> str:
    """The tool's stdout. Raises NoReading if it is not there, is slow, or fails."""
    name = Path(argv[0]).name
    try:
        told = subprocess.run(
            list(argv), capture_output=True, timeout=TOOL_SECONDS, check=False, env={"PATH": os.defpath, "LC_ALL": "C"}
        )
    except FileNotFoundError as error:
        raise NoReading(f"{name} is not there") from error
    except subprocess.TimeoutExpired as error:
        raise NoReading(f"{name} did not answer within {TOOL_SECONDS:g} s") from error
    except OSError as error:
        raise NoReading(f"{name} cannot be started ({error.strerror})") from error
    if told.returncode != 0 and not told.stdout.strip():
        raise NoReading(f"{name} ended with {told.returncode}")
    return told.stdout.decode("utf-8", "replace")


class SwapGrowth:
    """Turns used swap into its growth over the last SWAP_WINDOW seconds."""

    def __init__(self, used: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._used = used
        self._clock = clock
        self._samples: list[tuple[float, int]] = []

    def __call__(self) -> int:
        now = self._clock()
        self._samples = [(at, used) for at, used in self._samples if now - at <= SWAP_WINDOW]
        self._samples.append((now, self._used()))
        return max(0, self._samples[-1][1] - min(used for _, used in self._samples))


def _value(gauge: Gauge) -> object:
    try:
        return gauge.read()
    except NoReading as error:
        return Unknown(reason=str(error))
    except Exception as error:  # noqa: BLE001 - whatever a foreign reading does, the governor goes on and says so
        return Unknown(reason=f"reading it failed ({type(error).__name__})")
