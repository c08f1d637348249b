"""The ledger's parts, opened together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from daemon.ledger.database import Database, open_to_read, open_to_write
from daemon.ledger.history import History
from daemon.ledger.jobs import Jobs
from daemon.ledger.knowledge import Knowledge
from daemon.ledger.pace import PaceHistory
from daemon.ledger.receipts import Receipts
from daemon.ledger.results import Alerts, Requests, Results


@dataclass(frozen=True, kw_only=True)
class Books:
    database: Database
    jobs: Jobs
    knowledge: Knowledge
    results: Results
    alerts: Alerts
    requests: Requests
    history: History
    pace: PaceHistory
    receipts: Receipts


def open_books(ledger: Path) -> Books:
    """To write: for the one process that holds the home's lock. Creates or migrates; raises as open_to_write does."""
    return _books(open_to_write(ledger))


def read_books(ledger: Path) -> Books:
    """To read, beside a daemon or without one. Raises as open_to_read does."""
    return _books(open_to_read(ledger))


def _books(database: Database) -> Books:
    return Books(
        database=database,
        jobs=Jobs(database),
        knowledge=Knowledge(database),
        results=Results(database),
        alerts=Alerts(database),
        requests=Requests(database),
        history=History(database),
        pace=PaceHistory(database),
        receipts=Receipts(database),
    )
