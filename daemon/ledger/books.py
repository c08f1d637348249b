"""The ledger's parts, opened together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from daemon.ledger.database import Database
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
    pace: PaceHistory
    receipts: Receipts


def open_books(ledger: Path) -> Books:
    """Creates or migrates the ledger. Raises BadInput as Database does."""
    database = Database(ledger)
    return Books(
        database=database,
        jobs=Jobs(database),
        knowledge=Knowledge(database),
        results=Results(database),
        alerts=Alerts(database),
        requests=Requests(database),
        pace=PaceHistory(database),
        receipts=Receipts(database),
    )
