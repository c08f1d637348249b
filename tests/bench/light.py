"""The light process: memory of an idle daemon, start of ``status``, one note among ten thousand."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psutil

from config.paths import Home
from daemon.cli.grammar import COMMANDS
from tests.bench.adopted import adopt
from tests.bench.measure import Row

RUNS = 15
ML_LIBRARIES = ("torch", "mlx", "transformers", "sentence_transformers", "datasets")


def measure(folder: Path) -> list[Row]:
    """``folder`` is scratch space."""
    environment = small_home(folder)
    daemon = subprocess.Popen([sys.executable, "-m", "daemon"], env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_until_idle(environment)
        told = (answer_time(environment, "status", goal=150.0), answer_time(environment, "--help", goal=100.0))
        return [*idle_memory(daemon.pid), *told, slowest_help(environment)]
    finally:
        daemon.terminate()
        daemon.wait(timeout=60)


def small_home(folder: Path) -> dict[str, str]:
    """A home of fifty notes, adopted; returns the environment that points at it."""
    notes = folder / "notes"
    notes.mkdir(parents=True)
    for number in range(50):
        (notes / f"note-{number}.md").write_text(f"# Note {number}\n\nSome words about matter {number}.\n")
    return adopt(folder)


def wait_until_idle(environment: dict[str, str]) -> None:
    """Until the first scan and its refresh are done."""
    from daemon.ledger.books import read_books

    books = read_books(Home(root=Path(environment["IAIP_HOME"])).ledger)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not books.jobs.counts().get("done"):
        time.sleep(0.2)
    time.sleep(3.0)


def idle_memory(pid: int) -> list[Row]:
    process = psutil.Process(pid)
    maps = " ".join(entry.path for entry in process.memory_maps())
    loaded = [library for library in ML_LIBRARIES if f"/{library}/" in maps]
    return [
        Row(
            name="idle daemon, resident",
            value=process.memory_info().rss / 2**20,
            unit="MiB",
            goal=60.0,
            better="lower",
        ),
        Row(name="ML libraries in the idle daemon", value=float(len(loaded)), unit="", goal=0.0, better="lower"),
    ]


def answer_time(environment: dict[str, str], *words: str, goal: float) -> Row:
    """Median wall time of a whole process of ``iaipctl`` with these words."""
    times = []
    for _ in range(RUNS):
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "daemon.cli", *words], env=environment, capture_output=True, check=True)
        times.append(time.monotonic() - began)
    name = " ".join(("iaipctl", *words))
    return Row(name=name, value=statistics.median(times) * 1000, unit="ms", goal=goal, better="lower")


def slowest_help(environment: dict[str, str]) -> Row:
    """Of all commands' own help."""
    rows = [answer_time(environment, command, "--help", goal=100.0) for command in COMMANDS]
    slowest = max(rows, key=lambda row: row.value)
    return msgspec.structs.replace(slowest, name=f"{slowest.name}, the slowest of {len(rows)}")
