"""After any kind of end: dead owners' jobs go back to the queue, half-made things are swept, trials end."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime

import structlog

from config.paths import Home
from daemon.ledger.books import Books
from daemon.ledger.jobs import Left
from daemon.ledger.records import Job, Owner
from daemon.orphans import Orphans
from daemon.system.processes import is_alive
from daemon.system.temporary import sweep_temporary
from jobs.domain.endings import Ending, ending_under_dead_owner
from jobs.publish import sweep_stages
from jobs.releases import Releases

log = structlog.get_logger()

SECONDS_A_FILE = 300.0
SECONDS_A_DAY = 86_400.0  # a base may be fetched for hours

_REASONS = {
    Ending.CANCELLED: "asked for",
    Ending.PAUSED: "asked for",
    Ending.STOPPED: "the daemon stopped",
    Ending.ORPHANED: "the daemon died under it",
    Ending.REBOOTED: "the machine restarted under it",
}


def recover(books: Books, home: Home, releases: Releases, this: Owner) -> list[int]:
    """Repairs what a crash left and returns every job that waits, for the bell to be rung again."""
    Orphans(home, this.boot).end()
    reclaim(books, this, attended=frozenset, now=datetime.now(UTC))
    sweep(home)
    if (left := releases.recover()) is not None:
        body = f"{left} was still on trial when the daemon ended; {releases.live()} is live again"
        title = "An unconfirmed release was taken back"
        books.alerts.post("rolled-back", title, body, datetime.now(UTC), about=left)
    return [job.id for job in books.jobs.in_state("queued")]


def sweep(home: Home) -> None:
    """What interrupted publications left. Into some folders commands write too, which know of no daemon."""
    for directory in (home.root, home.datasets, home.stages, home.snapshots):
        sweep_stages(directory)
    for folder in (home.requests, home.consent, home.evaluation, home.left_out):
        for directory in (folder, *(below for below in folder.rglob("*") if below.is_dir() and not below.is_symlink())):
            sweep_stages(directory, idle=SECONDS_A_FILE)
    sweep_stages(home.base_models, idle=SECONDS_A_DAY)
    sweep_temporary()


def reclaim(books: Books, this: Owner, *, attended: Callable[[], Collection[int]], now: datetime) -> list[int]:
    """Settles every running job that nobody runs any more; returns those that wait again.

    ``attended`` tells the jobs that this very process is at. A job of its own that it is not at has lost its
    thread. Whose it is tell pid and start time: what the boot is called plays no part in that.
    """
    running = books.jobs.in_state("running")
    at = attended()  # asked second: a job is attended before it is claimed
    waiting = []
    for job in running:
        if job.id in at or (job.owner is not None and _someone_elses(job.owner, this)):
            continue
        settled = _settle(books, job, this.boot, now)
        if settled is not None and settled.state == "queued":
            waiting.append(job.id)
    return waiting


def _someone_elses(owner: Owner, this: Owner) -> bool:
    """Held by another process that is alive."""
    return (owner.pid, owner.started) != (this.pid, this.started) and is_alive(owner, this.boot)


def _settle(books: Books, job: Job, boot: str, now: datetime) -> Job | None:
    owner_boot = None if job.owner is None else job.owner.boot
    ending = ending_under_dead_owner(job.stop_wanted, owner_boot=owner_boot, boot=boot)
    remedy = f"free memory or let the machine cool, then `iaipctl queue retry {job.id}`"
    remedy += f"; or `iaipctl queue cancel {job.id}`"
    with books.database.transaction():
        settled = books.jobs.settle(job, Left(ending=ending, reason=_REASONS[ending], remedy=remedy), now)
        if settled is not None and settled.state == "quarantined":
            body = f"{_quarantine(settled)} Next: {remedy}"
            books.alerts.post("quarantined", "A job is in quarantine", body, now, about=str(job.id))
    log.warning("dead owner's job settled", job=job.id, stage=job.stage, ending=ending)
    return settled


def _quarantine(job: Job) -> str:
    """What was tried, and what waits for a person meanwhile. Only a training has a smaller plan (jobs/train.py)."""
    tried = ", the last time with a smaller plan" if job.stage == "train" else ""
    told = f"The machine restarted {job.reboots} times under job {job.id} ({job.stage}){tried}."
    if job.run is None:
        return f"{told} It will not run again by itself, and until then nothing is learnt from changed notes."
    return f"{told} It will not run again by itself, and its run waits for it. Your search is untouched."
