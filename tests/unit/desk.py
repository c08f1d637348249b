"""A scheduler at work, its rounds made by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from config.load import load_settings
from config.paths import Home
from daemon import spool
from daemon.housekeeping import Clearing
from daemon.ledger.books import Books, open_books
from daemon.ledger.database import Damaged
from daemon.ledger.jobs import Left
from daemon.ledger.records import Job, Owner
from daemon.scheduler import Calls, Scheduler
from jobs.domain.endings import Ending

NOW = datetime(2026, 1, 2, tzinfo=UTC)


OWNER = Owner(boot="b", pid=1, started=1.0)


class Desk:
    """A scheduler on a real ledger and spool, its rounds made by hand."""

    def __init__(self, folder: Path, tell: Callable[[str, str], None]) -> None:
        self.home = Home(root=folder)
        self.books: Books = open_books(self.home.ledger)
        self.rung: list[int] = []
        self.damages: list[Damaged] = []
        self.books.database.on_damage = self.damages.append
        self.may_start = True
        self.reclaims = 0
        calls = Calls(
            ring=self.rung.append,
            may_start=lambda: self.may_start,
            reclaim=self._reclaim,
            clear_away=lambda: Clearing(items=()),
            open_page=dict,
            tell=tell,
        )
        self.scheduler = Scheduler(self.books, self.home, load_settings(self.home.config_file), calls)

    def asks(self, action: str, **argument: Any) -> dict[str, Any]:
        key = spool.put(self.home.requests, action, argument)
        self.scheduler._round()
        answer = self.books.requests.answer(key)
        assert answer is not None
        return answer

    def job(self) -> Job:
        started = self.books.jobs.start_run("embedding", cause="c", forced=False, now=NOW)
        assert started is not None
        return started[1]

    def quarantined(self) -> Job:
        job = self.job()
        for _ in range(2):
            claim = self.books.jobs.claim(job.id, OWNER, NOW) or pytest.fail("not claimable")
            self.books.jobs.settle(claim, Left(ending=Ending.REBOOTED, reason="r"), NOW)
        return self.books.jobs.job(job.id)

    def _reclaim(self) -> list[int]:
        self.reclaims += 1
        return []
