"""A ledger with copies of it, opened as a start does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from config.paths import Home
from daemon.ledger import snapshots
from daemon.ledger.books import Books
from daemon.ledger.restore import open_or_restore
from jobs.releases import Releases

NOW = datetime(2026, 1, 2, tzinfo=UTC)


LATER = NOW + timedelta(hours=5)


def opened(home: Home, releases: Releases) -> Books:
    return open_or_restore(home, releases, LATER)[0]


def snapshot(books: Books, home: Home, at: datetime = NOW) -> None:
    snapshots.take(home.ledger, home.snapshots, at=at)
