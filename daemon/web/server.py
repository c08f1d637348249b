"""cheroot, the HTTP server: a few threads on the loopback interface, small limits, no word of its own."""

from __future__ import annotations

import errno
import threading
from typing import Any

import structlog
from cheroot import wsgi

from jobs.domain.errors import Refused

log = structlog.get_logger()

LOOPBACK = "127.0.0.1"
THREADS = 10
LARGEST_REQUEST = 64 * 1024
LARGEST_HEAD = 16 * 1024


class Server:
    """Bound when made: ``port`` is the real one. Raises Refused for a port that is taken."""

    def __init__(self, port: int) -> None:
        self._server = _Quiet((LOOPBACK, port), wsgi_app=None, numthreads=THREADS, timeout=10, shutdown_timeout=3)
        self._server.max_request_body_size = LARGEST_REQUEST
        self._server.max_request_header_size = LARGEST_HEAD
        self._server.server_name = "iaip"
        try:
            self._server.prepare()
        except OSError as error:
            raise _refused(port, error) from error
        self.port = int(self._server.bind_addr[1])
        self._thread = threading.Thread(target=self._server.serve, name="page", daemon=True)

    def serve(self, site: Any) -> None:
        """Answers with the WSGI application ``site`` from now on, in threads of its own."""
        self._server.wsgi_app = site
        self._thread.start()

    def stop(self) -> None:
        self._server.stop()
        self._thread.join(timeout=10)


class _Quiet(wsgi.Server):
    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """To our log, and without the traceback: it could hold what was asked for."""
        log.warning("the page's server", told=msg.partition("\n")[0][:120])


def _refused(port: int, error: OSError) -> Refused:
    taken = error.errno == errno.EADDRINUSE or "in use" in str(error)
    return Refused(
        f"port {port} of 127.0.0.1 is used by another program"
        if taken
        else f"the page cannot listen on port {port} ({error.strerror or error})",
        remedy="choose another in config.toml ([page] port; 0: any free one) and start the daemon again",
    )
