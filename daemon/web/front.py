"""The page's front door: opened when somebody first asks, shut with the daemon. Until then it costs nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from config.paths import Home
from daemon.ledger.books import Books
from daemon.web.sessions import LINK_SECONDS, Sessions
from jobs.domain.errors import Refused
from jobs.releases import Releases

if TYPE_CHECKING:
    from daemon.web.server import Server
    from daemon.web.site import Site


class Front:
    """``port`` 0 is any free one. Links and sessions end with the process."""

    def __init__(self, books: Books, home: Home, releases: Releases, port: int) -> None:
        self._books = books
        self._home = home
        self._releases = releases
        self._wanted_port = port
        self._sessions = Sessions(time.monotonic)
        self._open: tuple[Server, Site] | None = None

    def open(self) -> dict[str, Any]:
        """Answers with a link for one use, or with the reason why there is none."""
        try:
            port = self._listening()
        except Refused as refused:
            return {"refused": refused.message, "remedy": refused.remedy}
        link = self._sessions.new_link()
        return {"url": f"http://127.0.0.1:{port}/enter/{link}", "seconds": int(LINK_SECONDS)}

    def address(self) -> str | None:
        """Where a browser that was let in before finds the page; none while nobody has asked for it."""
        opened = self._open
        return None if opened is None else f"http://127.0.0.1:{opened[0].port}/alerts"

    def stop(self) -> None:
        if self._open is not None:
            server, site = self._open
            site.stop()
            server.stop()

    def _listening(self) -> int:
        if self._open is None:
            from daemon.web.server import Server  # the framework's ten megabytes, only once they are wanted
            from daemon.web.site import Site

            server = Server(self._wanted_port)
            site = Site(self._books, self._home, self._releases, self._sessions, server.port)
            server.serve(site)
            self._open = server, site
        return self._open[0].port
