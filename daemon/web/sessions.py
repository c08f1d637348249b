"""Who may read the page: a one-time link becomes a session. Both live in this process's memory alone."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable

LINK_SECONDS = 120.0
SESSION_SECONDS = 12 * 3600.0


class Sessions:
    """Kept as digests: what is looked up in a table is never the secret itself. ``clock`` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._links: dict[str, float] = {}
        self._sessions: dict[str, float] = {}

    def new_link(self) -> str:
        """A secret that opens one session within LINK_SECONDS."""
        link = secrets.token_urlsafe(32)
        with self._lock:
            self._links[_digest(link)] = self._clock() + LINK_SECONDS
        return link

    def enter(self, link: str) -> str | None:
        """A session's secret for a link's, which is void from then on; none for a link that is unknown, used or old."""
        with self._lock:
            self._forget()
            if self._links.pop(_digest(link), None) is None:
                return None
            session = secrets.token_urlsafe(32)
            self._sessions[_digest(session)] = self._clock() + SESSION_SECONDS
            return session

    def knows(self, session: str) -> bool:
        with self._lock:
            self._forget()
            return _digest(session) in self._sessions

    def _forget(self) -> None:
        now = self._clock()
        self._links = {link: end for link, end in self._links.items() if end > now}
        self._sessions = {session: end for session, end in self._sessions.items() if end > now}


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
