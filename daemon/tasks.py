"""Huey, the bell: it carries job ids, runs the threads and keeps the minute. The ledger is the truth.

Huey deletes a task before it runs it, so a ring may be lost at any kill. Nothing depends on one: the
daemon rings again at start and every minute for whatever still waits. So the bell's file is made anew
at every start, whatever was there: a corrupt one, a foreign one, old rings.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from huey import SqliteHuey, crontab
from huey.consumer import Consumer
from huey.registry import Message
from huey.serializer import Serializer

from daemon.ledger.database import START, Damaged

log = structlog.get_logger()

WORKER_THREADS = 2
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


class Bell:
    """Rings for jobs. ``execute`` does one job and returns the ids to ring for next."""

    def __init__(self, path: Path, execute: Callable[[int], list[int]]) -> None:
        for part in ("", "-wal", "-shm", "-journal"):
            Path(f"{path}{part}").unlink(missing_ok=True)
        # No WAL: its threads have a connection each (see daemon.ledger.database for why that matters).
        self._huey = SqliteHuey(
            "iaip",
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
        consumer: Consumer = self._huey.create_consumer(workers=WORKER_THREADS, max_delay=1.0, check_worker_health=True)
        consumer._set_signal_handlers = lambda: None
        return consumer

    def _do(self, job: int) -> None:
        for following in self._execute(job):
            self.ring(following)
