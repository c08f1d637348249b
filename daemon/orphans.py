"""Workers that outlive their daemon. They see its pipe close and leave; one that hangs does not, and is ended here.

Each running worker has a note in ``<home>/run/workers``, written before it is told of its job: who it is, and whose.
A pid alone may be reused; with its start time and the boot it cannot.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from config.paths import Home
from daemon.ledger.records import Owner
from daemon.system.processes import boot_id, is_alive, started_at, this_process
from jobs.publish import remove_file, sweep_stages, write_file
from jobs.wire import Stage

log = structlog.get_logger()

SECONDS_TO_CHECKPOINT = 60.0
"""A training that lost its daemon has 40 (jobs/lifeline.py); every other stage starts again from its inputs anyway."""


class Worker(Struct, frozen=True, kw_only=True):
    """A process that leads a group of its own."""

    process: Owner
    daemon: Owner
    stage: Stage


@contextmanager
def noted(home: Home, pid: int, stage: Stage) -> Iterator[None]:
    """Best effort: a disk so full that the note finds no room must not be what fails a job."""
    note, boot = home.workers / f"{pid}.json", boot_id()
    with suppress(OSError):
        process = Owner(boot=boot, pid=pid, started=started_at(pid) or 0.0)
        worker = Worker(process=process, daemon=this_process(boot), stage=stage)
        write_file(note, msgspec.json.encode(worker))
    try:
        yield
    finally:
        with suppress(OSError):
            remove_file(note)


class Orphans:
    """Used by one thread at a time. ``boot`` is this machine's present one."""

    def __init__(self, home: Home, boot: str) -> None:
        self._folder = home.workers
        self._boot = boot
        self._found_at: dict[Owner, float] = {}

    def end(self) -> None:
        """To be called every few seconds: ends whole process groups whose daemon is dead, and clears their notes."""
        sweep_stages(self._folder, idle=SECONDS_TO_CHECKPOINT)
        for note in sorted(self._folder.glob("*.json")):
            worker = _read(note)
            if worker is None or not is_alive(worker.process, self._boot):
                note.unlink(missing_ok=True)
            elif not is_alive(worker.daemon, self._boot) and self._has_had_its_time(worker):
                log.warning("a worker outlived its daemon and was ended", pid=worker.process.pid, stage=worker.stage)
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(worker.process.pid, signal.SIGKILL)

    def _has_had_its_time(self, worker: Worker) -> bool:
        since = self._found_at.setdefault(worker.process, time.monotonic())
        return worker.stage != "train" or time.monotonic() - since >= SECONDS_TO_CHECKPOINT


def _read(note: Path) -> Worker | None:
    try:
        return msgspec.json.decode(note.read_bytes(), type=Worker)
    except (OSError, msgspec.DecodeError):
        return None
