"""The page's front door: opened when somebody first asks, shut with the daemon. Until then it costs nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from daemon.web.house import House
from daemon.web.sessions import LINK_SECONDS, Sessions
from jobs.domain.errors import Refused

if TYPE_CHECKING:
    from daemon.web.server import Server
    from daemon.web.site import Site


class Front:
    """Links and sessions end with the process."""

    def __init__(self, house: House) -> None:
        self._house = house
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
        """Where a browser that was let in before finds the alerts; none while nobody has asked for the page, for it
        could let nobody in."""
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

            server = Server(self._house.settings.page.port)
            site = Site(self._house, self._sessions, server.port)
            server.serve(site)
            self._open = server, site
        return self._open[0].port
