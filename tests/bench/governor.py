"""What the governor costs while something heavy runs, on this machine's own gauges."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

from config.load import load_settings
from daemon.governor import Governor
from daemon.ledger.books import open_books
from daemon.system.telemetry import telemetry
from jobs.lifeline import Lifeline
from jobs.wire import Done, Event, JobSpec, Order
from tests.bench.measure import Row

WATCHED_SECONDS = 65.0
SAMPLES = 300
ASKED = 1_000_000


def measure(folder: Path) -> list[Row]:
    """``folder`` is scratch space."""
    return [_cpu(folder), *_sample(folder), _question()]


def _cpu(folder: Path) -> Row:
    """Processor time of the thread and of every tool it calls, over a minute at the default settings."""
    books = open_books(folder / "ledger.sqlite")
    over = threading.Event()

    def worker(spec: JobSpec, log: Path, on_event: Callable[[Event], None], order: Callable[[], Order]) -> Done:
        while not over.wait(0.5):
            order()
        return Done(result={})

    governor = Governor(load_settings(folder / "config.toml"), telemetry(folder), books, worker)
    governor.start()
    spec = JobSpec(job=1, stage="train", home=str(folder))
    job = threading.Thread(target=governor.run_worker, args=(spec, folder / "log", print, lambda: False))
    job.start()
    before, began = _processor_seconds(), time.monotonic()
    time.sleep(WATCHED_SECONDS)
    share = 100 * (_processor_seconds() - before) / (time.monotonic() - began)
    over.set()
    job.join()
    governor.stop()
    books.database.close()
    return Row(name="governor, of one processor", value=share, unit="%", goal=0.2, better="lower")


def _sample(folder: Path) -> list[Row]:
    """The slowest in processor time: by the clock, the slowest of many tells what else the machine did."""
    machine, walls, used = telemetry(folder), [], []
    for _ in range(SAMPLES):
        began, before = time.perf_counter(), _processor_seconds()
        machine.sample()
        walls.append(1000 * (time.perf_counter() - began))
        used.append(1000 * (_processor_seconds() - before))
    median = statistics.median(walls)
    return [
        Row(name="one look at the machine, median", value=median, unit="ms", goal=50.0, better="lower"),
        Row(name="the slowest look, processor time", value=max(used), unit="ms", goal=50.0, better="lower"),
    ]


def _question() -> Row:
    """What a trainer pays at each step to ask whether it should stop."""
    reading, _ = os.pipe()
    lifeline = Lifeline(os.fdopen(reading, "rb"), "train")
    began = time.thread_time()
    for _ in range(ASKED):
        lifeline.should_stop()
    microseconds = (time.thread_time() - began) / ASKED * 1e6
    return Row(name="asking whether to stop", value=microseconds, unit="µs", goal=1.0, better="lower")


def _processor_seconds() -> float:
    used = os.times()
    return time.process_time() + used.children_user + used.children_system
