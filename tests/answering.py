"""What `iaipctl` finds of a daemon that is up: its lock is held, and at its socket it answers. Nothing else runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from config.paths import Home
from config.version import VERSION
from daemon.door import SocketServer
from daemon.socket import Health, Question
from daemon.system.lock import single_daemon


@contextmanager
def daemon_of(home: Home, version: str = VERSION) -> Iterator[None]:
    def answer(question: Question) -> Health:
        return Health(
            version=version,
            pid=os.getpid(),
            nonce=question.nonce,
            home=str(home.root),
            live="v0",
            started_at=datetime.now(UTC),
        )

    server = SocketServer(home.socket, answer)
    with single_daemon(home.daemon_lock):
        server.start()
        try:
            yield
        finally:
            server.stop()
