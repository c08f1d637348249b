"""The crash budget: launchd would start a crashing daemon for ever, so the daemon itself counts and stays down.

``starts.json`` holds the starts that did not end in order. After MOST_UNCLEAN of them within WINDOW, or
MOST_A_DAY within a day, the next start says so, in the ledger's outbox and on the desktop, and ends at once with the
code that its supervisor takes for "stay down". `iaipctl start` clears the count. Starts that never came so far as to
count themselves are counted by the program that the supervisor starts (``launchd/agent.sh``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from config.paths import Home
from daemon.system.lock import single_daemon
from jobs.domain.errors import IaipError
from jobs.publish import write_file

MOST_UNCLEAN = 4
WINDOW = timedelta(minutes=10)
MOST_A_DAY = 12
"""One that dies every quarter of an hour is never caught by the short window, and helps nobody."""
DAY = timedelta(days=1)
TRY_AGAIN = 75
"""The exit code after which either supervisor starts it again."""
STAY_DOWN = {"launchd": 0, "systemd": 78}
"""launchd: KeepAlive/SuccessfulExit=false. systemd: RestartPreventExitStatus=78."""


class Starts(Struct, frozen=True, kw_only=True):
    """``starts.json``. ``unclean``: when starts happened that have not ended in order. ``down``: why it stays down."""

    unclean: tuple[datetime, ...] = ()
    down: str | None = None


def crashed_too_often(unclean: Sequence[datetime], now: datetime) -> str:
    """In words, if so many starts went wrong of late that another is of no use; else empty. Starts in the future count:
    clocks jump."""
    for window, most, within in ((WINDOW, MOST_UNCLEAN, f"{WINDOW.seconds // 60} minutes"), (DAY, MOST_A_DAY, "a day")):
        if (times := sum(now - start < window for start in unclean)) >= most:
            return f"it ended badly {times} times within {within}"
    return ""


class Supervision:
    def __init__(self, home: Home) -> None:
        self._home = home

    def read(self) -> Starts:
        """A damaged file counts as an empty one: it must never be the reason for staying down."""
        try:
            return msgspec.json.decode(self._home.starts.read_bytes(), type=Starts)
        except (OSError, msgspec.DecodeError):
            return Starts()

    def begin(self, now: datetime) -> bool:
        """Counts this start; false if it must not go on. From here on nobody else need count it."""
        with suppress(OSError):
            self._home.launches.unlink(missing_ok=True)
        unclean = self.read().unclean
        if crashed_too_often(unclean, now):
            return False
        self._write(Starts(unclean=(*(start for start in unclean if now - start < DAY), now)))
        return True

    def ended_in_order(self) -> None:
        """The latest start is forgiven; earlier ones stay counted until their day is over."""
        self._write(Starts(unclean=self.read().unclean[:-1]))

    @contextmanager
    def cleared(self) -> Iterator[None]:
        """The count begins anew for a start that the supervisor is asked for. If that fails, it is as it was."""
        counts = {path: path.read_bytes() for path in (self._home.starts, self._home.launches) if path.exists()}
        for path in counts:
            path.unlink(missing_ok=True)
        try:
            yield
        except BaseException:
            for path, content in counts.items():
                with suppress(OSError):  # why the start failed is what is to be told
                    write_file(path, content)
            raise

    def stay_down(self, reason: str, now: datetime, tell: Callable[[str, str], None]) -> None:
        """Keeps the reason for `iaipctl status` and tells the owner, once a reason."""
        before = self.read()
        if before.down == reason:
            return
        title = "iaip has stopped and stays down"
        body = f"{reason}. Your search works as before. Next: `iaipctl doctor`, then `iaipctl start`"
        if self._home.ledger.exists():
            _post(self._home, title, body, now)
        self._write(Starts(unclean=before.unclean, down=reason))
        tell("stays-down", "")

    def _write(self, starts: Starts) -> None:
        """A full disk must not be what starts a daemon for ever: a count that cannot be kept is not kept."""
        with suppress(OSError):
            write_file(self._home.starts, msgspec.json.encode(starts))


def _post(home: Home, title: str, body: str, now: datetime) -> None:
    """A ledger that cannot be written may be the very reason, or another daemon's: the desktop is told all the same."""
    from daemon.ledger.restore import open_keeping_a_copy  # not for `status`, which only reads the count

    with suppress(IaipError, sqlite3.Error, OSError), single_daemon(home.daemon_lock):
        books = open_keeping_a_copy(home, now)
        try:
            books.alerts.post("stays-down", title, body, now)
            for alert in books.alerts.undelivered():
                if alert.kind == "stays-down":
                    books.alerts.attempted(alert.id, now)
        finally:
            books.database.close()
