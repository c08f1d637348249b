"""After any kind of end: dead owners' jobs go back to the queue, half-made things are swept, trials end."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from config.paths import Home
from daemon.ledger.books import Books
from daemon.system.processes import is_alive
from jobs.publish import sweep_stages
from jobs.releases import Releases

log = structlog.get_logger()


def recover(books: Books, home: Home, releases: Releases, boot: str) -> list[int]:
    """Repairs what a crash left and returns every job that waits, for the bell to be rung again."""
    now = datetime.now(UTC)
    for job in books.jobs.in_state("running"):
        if job.owner is None or not is_alive(job.owner, boot):
            books.jobs.put_back(job, "its owner died", now, blameless=True)
            log.warning("job put back", job=job.id, stage=job.stage)
    for directory in (home.datasets, home.stages, home.base_models):
        sweep_stages(directory)
    if (left := releases.recover()) is not None:
        body = f"{left} was still on trial when the daemon ended; {releases.live()} is live again"
        books.alerts.post("rolled-back", "An unconfirmed release was taken back", body, now)
    return [job.id for job in books.jobs.in_state("queued")]
