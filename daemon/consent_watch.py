"""A look at the consent log, each minute: that it is broken, or was put back as it once was, is told loudly."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from daemon.ledger.books import Books
from jobs.consent.log import ConsentLog
from jobs.domain.consent_log import START


def look_at_the_log(books: Books, consent: Path, now: datetime) -> None:
    """Told once for each problem. The ledger knows the newest entry: a log that was put back without it is seen.

    While it is broken nobody can tell what may be used: running jobs leave, and those on public notes come back.
    """
    knowledge, chain = books.knowledge, ConsentLog(consent).chain()
    known = knowledge.fact("consent-head") or START
    lost = known != START and all(entry.digest != known for entry in chain.entries)
    problem = chain.problem or ("entries that were in it are missing" if lost else "")
    if problem and problem != knowledge.fact("consent-problem"):
        ending = "No consent counts until it is whole; public notes go on" if chain.problem else "It ends too early"
        body = f"{problem}. {ending}. `iaipctl consent verify`"
        books.alerts.post("consent-broken", "The consent log is broken", body, now)
        if chain.problem:
            books.jobs.stop_all()
    if problem != knowledge.fact("consent-problem"):
        knowledge.set_fact("consent-problem", problem)
    if not chain.problem and chain.head != known:
        knowledge.set_fact("consent-head", chain.head)
