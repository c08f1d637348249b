"""Asked of the system once a day, so that `iaipctl status`, which asks nobody, can tell it at once."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from daemon.checks.finding import Finding
from daemon.ledger.books import Books

SECONDS_A_DAY = 86_400.0

log = structlog.get_logger()


class Daily:
    """Keeps the newest answer as the fact ``encryption``: its level, and in words what was found."""

    def __init__(self, books: Books, encryption: Callable[[], Finding]) -> None:
        self._books = books
        self._encryption = encryption
        self._asked_at = float("-inf")

    def tick(self) -> None:
        """Every minute: asks at the start, and once a day."""
        if time.monotonic() - self._asked_at < SECONDS_A_DAY:
            return
        self._asked_at = time.monotonic()
        found = self._encryption()
        self._books.knowledge.set_value("encryption", {"level": found.level, "told": found.told})
        log.info("asked about the disk's encryption", level=found.level)
