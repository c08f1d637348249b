"""The log on disk, and the day it is. What a status line asks of consent, so it imports little."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from jobs.domain.consent_log import Chain, read_chain
from jobs.domain.errors import Refused
from jobs.publish import write_file

ANEW = (
    "move consent/log.jsonl, consent/head and consent/newest-day away, read every record again and"
    " `iaipctl consent import`"
)
"""How a log begins again; what was withdrawn stays denied by consent/withdrawals."""


class ConsentLog:
    """``folder`` is the home's consent folder. Reading it creates nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def log(self) -> Path:
        return self.folder / "log.jsonl"

    @property
    def _head(self) -> Path:
        return self.folder / "head"

    @property
    def _newest_day(self) -> Path:
        return self.folder / "newest-day"

    def chain(self) -> Chain:
        """The log as far as it holds together."""
        content = self.log.read_bytes() if self.log.exists() else b""
        head = self._head.read_text("ascii", errors="replace").strip() if self._head.exists() else ""
        chain = read_chain([line for line in content.split(b"\n") if line], head)
        if not (head or chain.problem) and len(chain.entries) > 1:
            return Chain(entries=chain.entries, problem="consent/head is missing: nobody can tell if lines are, too")
        return chain

    def day(self, now: datetime, chain: Chain) -> date:
        """What day it is (UTC): never before the log's newest entry, nor before a day that was noted."""
        newest = chain.newest()
        return max(now.astimezone(UTC).date(), newest.astimezone(UTC).date() if newest else date.min, self._noted())

    def note_day(self, now: datetime) -> None:
        """Every gate notes the day, so that a clock that is set back brings nothing back."""
        today = now.astimezone(UTC).date()
        if self.folder.exists() and today > self._noted():
            with suppress(OSError):  # a full disk stops no gate: going back must work then, too
                write_file(self._newest_day, today.isoformat().encode())

    def _noted(self) -> date:
        """A note that is not there or cannot be read tells nothing."""
        try:
            return date.fromisoformat(self._newest_day.read_text("ascii"))
        except (OSError, ValueError):
            return date.min


def ahead(held: date, now: datetime) -> str:
    """In words, where the clock is more than a day behind the day it is held to be; one of the two was wrong."""
    today = now.astimezone(UTC).date()
    if held - today <= timedelta(days=1):
        return ""
    return f"the clock says {today}, and consent was ruled on when it said {held}: what ended before {held} stays ended"


def broken(chain: Chain) -> Refused:
    return Refused(
        f"the consent log is broken: {chain.problem}. No consent counts until it is whole; public notes go on",
        remedy=f"put consent/log.jsonl and consent/head back from a backup; without one, {ANEW}; then"
        " `iaipctl queue retry` what failed",
    )
