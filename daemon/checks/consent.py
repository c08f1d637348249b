"""Whether the log of all consent changes is whole, and not ahead of the clock."""

from __future__ import annotations

from datetime import UTC, datetime

from daemon.checks.finding import Finding, Subject, fail, ok, warn
from jobs.consent.log import ANEW, ConsentLog, ahead, broken


def check_consent(subject: Subject) -> Finding:
    book, now = ConsentLog(subject.home.consent), datetime.now(UTC)
    chain = book.chain()
    if chain.problem:
        return fail(broken(chain).message, broken(chain).remedy)
    if clock := ahead(book.day(now, chain), now):
        return warn(clock, f"set the clock; if the log is wrong, {ANEW}")
    return ok(f"{len(chain.entries)} entries of the consent log hold together" if chain.entries else "the log is empty")
