"""The ledger's daily copy: when it is due, and what is told when none can be made."""

from __future__ import annotations

import math
import sqlite3
import time
from datetime import datetime
from pathlib import Path

import structlog

from daemon.ledger import snapshots
from daemon.ledger.books import Books
from daemon.ledger.database import Damaged
from jobs.domain.errors import BadInput, IaipError

log = structlog.get_logger()

SECONDS_TO_TRY_AGAIN = 3600.0


class Copies:
    """Kept in ``directory``; used by one thread. The hour between two tries is no affair of the wall clock."""

    def __init__(self, books: Books, directory: Path) -> None:
        self._books = books
        self._directory = directory
        self._not_before = -math.inf
        self._told = False

    def keep(self, now: datetime) -> None:
        """To be called every minute. Once a day what has grown old goes, the ledger is read through, and a copy of it
        is kept; where none can be made it is tried again every hour."""
        last = self._books.knowledge.moment(snapshots.TAKEN_AT)
        if time.monotonic() < self._not_before or not snapshots.due(last, now):
            return
        self._not_before = time.monotonic() + SECONDS_TO_TRY_AGAIN
        self._books.alerts.forget_old()
        self._books.requests.forget_old()
        try:
            taken = snapshots.take(self._books.database.path, self._directory, at=now)
        except Damaged as damage:
            self._books.database.on_damage(damage)
        except (BadInput, OSError, sqlite3.Error) as error:
            log.error("no copy of the ledger could be made", error=type(error).__name__)
            self._tell(error, now)
        else:
            self._told, self._not_before = False, -math.inf
            self._books.knowledge.set_fact(snapshots.TAKEN_AT, now.isoformat())
            log.info("the ledger is whole; a copy is kept", number=taken.number, bytes=taken.bytes)

    def _tell(self, error: Exception, now: datetime) -> None:
        """Once, until a copy could be made again."""
        if self._told:
            return
        why = error.message if isinstance(error, IaipError) else str(error)
        body = (
            f"{why}. The ledger itself is in use as before; a copy is tried every hour. Next: free some space, or look"
            " at the permissions of snapshots/ in the home; `iaipctl ledger` shows the copies"
        )
        self._books.alerts.post("no-snapshot", "No copy of the ledger could be made", body, now)
        self._told = True
