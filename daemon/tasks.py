"""Huey, the bell: it carries job ids, runs the threads and keeps the minute. The ledger is the truth.

Huey deletes a task before it runs it, so a ring may be lost at any kill. Nothing depends on one: the
daemon rings again at start and every minute for whatever still waits. So the bell's file is made anew
at every start, whatever was there: a corrupt one, a foreign one, old rings.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from huey import Huey, crontab
from huey.consumer import Consumer
from huey.registry import Message
from huey.serializer import Serializer
from huey.storage import SqliteStorage

from daemon.ledger.database import START, Damaged

log = structlog.get_logger()

WORKER_THREADS = 2
LISTENS_SECONDS = 1.0
_PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


class JsonSerializer(Serializer):
    """Huey's messages as JSON: a bell file can carry no code."""

    def _serialize(self, data: Any) -> bytes:
        fields = data._asdict() if isinstance(data, Message) else data
        return json.dumps(fields, default=str).encode()

    def _deserialize(self, data: bytes) -> Any:
        fields = json.loads(data)
        if isinstance(fields, dict) and set(Message._fields) == set(fields):
            return Message(**{**fields, "args": tuple(fields["args"] or ())})
        return fields


class HeardAtOnce(SqliteStorage):
    """Huey would look into the file for what is new each second. Whoever rings here and whoever waits share a process:
    a ring wakes a worker."""

    blocking = True

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._rings = threading.Semaphore(0)
        super().__init__(*arguments, **named)

    def enqueue(self, data: bytes, priority: float | None = None) -> None:
        super().enqueue(data, priority)
        self._rings.release()

    def dequeue(self) -> bytes | None:
        """The next ring. After LISTENS_SECONDS of silence it looks all the same: no ring hangs on the semaphore."""
        self._rings.acquire(timeout=LISTENS_SECONDS)
        found: bytes | None = super().dequeue()
        return found


class Bell:
    """Rings for jobs. ``execute`` does one job and returns the ids to ring for next."""

    def __init__(self, path: Path, execute: Callable[[int], list[int]]) -> None:
        for part in ("", "-wal", "-shm", "-journal"):
            Path(f"{path}{part}").unlink(missing_ok=True)
        # No WAL: its threads have a connection each (see daemon.ledger.database for why that matters).
        self._huey = Huey(
            "iaip",
            storage_class=HeardAtOnce,
            filename=str(path),
            serializer=JsonSerializer(),
            results=False,
            journal_mode="truncate",
            fsync=False,
        )
        self._execute = execute
        self._task = self._huey.task(name="job", retries=0)(self._do)

    def every_minute(self, name: str, tick: Callable[[], None]) -> None:
        self._huey.periodic_task(crontab(), name=name)(tick)

    def ring(self, job: int) -> None:
        self._task(job)

    def require_whole(self) -> None:
        """Raises Damaged for a file that can carry no ring any more: nothing would start until it is made anew."""
        try:
            self._huey.pending_count()
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _PASSING:
                raise Damaged(
                    f"the bell's file is damaged ({error})",
                    remedy=f"{START}: it makes the file anew; nothing is lost",
                ) from error

    def consumer(self) -> Consumer:
        """Workers are threads. Signals are left to the caller, who was there first."""
        consumer: Consumer = self._huey.create_consumer(workers=WORKER_THREADS, check_worker_health=True)
        consumer._set_signal_handlers = lambda: None
        return consumer

    def _do(self, job: int) -> None:
        for following in self._execute(job):
            self.ring(following)
