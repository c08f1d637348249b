"""sd_notify(3) in a few lines: one datagram a word to the socket that systemd named. Elsewhere nothing is sent."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def tell_service_manager(word: str) -> None:
    """READY=1, WATCHDOG=1, STOPPING=1 or EXTEND_TIMEOUT_USEC=number. A manager that does not listen is no reason
    to stop."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # Linux's abstract namespace
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(1.0)
        manager.sendto(word.encode(), address)
