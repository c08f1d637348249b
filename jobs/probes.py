"""The canary: tries every way out of this process, and says what it met."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import termios
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from jobs.domain.confinement import A_FILE, Probe

NOWHERE = "192.0.2.1"  # TEST-NET-1 (RFC 5737): no machine has this address
NOWHERE_6 = "2001:db8::1"  # the same for IPv6 (RFC 3849)
A_NAME = "example.com"
_DISCARD = 9
_PATIENCE = 2.0
_WORD = b"canary"


def try_every_way(port: int, folder: str) -> tuple[Probe, ...]:
    """One probe for each of WAYS_OUT.

    ``port`` of the loopback is listened to by the parent in TCP and UDP, and so are ``folder/stream`` and
    ``folder/datagram``. A file ``folder/file`` would be found by it.
    """
    stream, datagram = socket.SOCK_STREAM, socket.SOCK_DGRAM
    ways: dict[str, Callable[[], object]] = {
        "tcp-parent": lambda: _connect(socket.AF_INET, stream, ("127.0.0.1", port)),
        "udp-parent": lambda: _connect(socket.AF_INET, datagram, ("127.0.0.1", port)),
        "unix-parent": lambda: _connect(socket.AF_UNIX, stream, f"{folder}/stream"),
        "unix-datagram-parent": lambda: _send_from_pair(f"{folder}/datagram"),
        "tcp": lambda: _connect(socket.AF_INET, stream, (NOWHERE, _DISCARD)),
        "udp": lambda: _connect(socket.AF_INET, datagram, (NOWHERE, _DISCARD)),
        "tcp6": lambda: _connect(socket.AF_INET6, stream, (NOWHERE_6, _DISCARD)),
        "dns": lambda: socket.getaddrinfo(A_NAME, _DISCARD),
        A_FILE: lambda: Path(folder, "file").write_bytes(_WORD),
        "terminal": _type,
    }
    return tuple(Probe(way=way, outcome=_outcome(attempt)) for way, attempt in ways.items())


def _connect(family: socket.AddressFamily, kind: socket.SocketKind, address: tuple[str, int] | str) -> None:
    with socket.socket(family, kind) as one:
        one.settimeout(_PATIENCE)
        one.connect(address)
        one.send(_WORD)


def _send_from_pair(address: str) -> None:
    """A pair needs no ``socket`` call, yet a datagram half of it can write to any other UNIX socket.

    On macOS it cannot, being connected: there a socket of its own must do.
    """
    try:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with closing(ours), closing(theirs):
            ours.sendto(_WORD, address)
    except OSError as error:
        if error.errno != errno.EISCONN:
            raise
        _connect(socket.AF_UNIX, socket.SOCK_DGRAM, address)


def _type() -> None:
    """Types a character that shows nowhere into the terminal that this process was started from, if there is one."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except FileNotFoundError:  # some containers have no devices: then what it would be started on
        terminal = os.dup(0)
    try:
        fcntl.ioctl(terminal, termios.TIOCSTI, b"\0")
    finally:
        os.close(terminal)


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except socket.gaierror as error:
        names = {getattr(socket, name): name for name in dir(socket) if name.startswith("EAI_")}
        return names.get(error.errno or 0, f"EAI_{error.errno}")
    except TimeoutError:
        return "ETIMEDOUT"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, f"errno {error.errno}")
    return "open"
