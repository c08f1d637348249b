"""Listeners that nobody should reach: they hear whether the canary of a confined process got out.

And the one folder for what is temporary that the process may write into, which goes with it.
"""

from __future__ import annotations

import socket
import sys
import tempfile
from contextlib import ExitStack
from types import TracebackType

from daemon.system.temporary import temporary_folder
from jobs.domain.confinement import A_FILE

_MOST_TRIES = 8


class Witness:
    """Listens while the block lasts: on one loopback ``port`` in TCP and UDP, and at two UNIX sockets in ``folder``.

    The folder is this user's alone, and its path is short enough for a socket's address. Nobody else may write there,
    but in ``scratch`` inside it. Both are removed at the end.
    """

    def __enter__(self) -> Witness:
        with ExitStack() as opened:
            self.folder = opened.enter_context(temporary_folder(_place()))
            self.scratch = self.folder / "scratch"
            self.scratch.mkdir(mode=0o700)
            tcp, udp = (opened.enter_context(one) for one in _loopback_pair())
            stream = opened.enter_context(_listener(socket.AF_UNIX, socket.SOCK_STREAM, str(self.folder / "stream")))
            datagram = opened.enter_context(_listener(socket.AF_UNIX, socket.SOCK_DGRAM, str(self.folder / "datagram")))
            self.port: int = tcp.getsockname()[1]
            self._listeners = {
                "tcp-parent": tcp,
                "udp-parent": udp,
                "unix-parent": stream,
                "unix-datagram-parent": datagram,
            }
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def heard(self) -> tuple[str, ...]:
        """The ways, as in WAYS_OUT, by which anything has arrived so far."""
        heard = tuple(way for way, listener in self._listeners.items() if _has_heard(listener))
        return (*heard, A_FILE) if (self.folder / "file").exists() else heard


def _place() -> str:
    """On macOS a user's own folder for what is temporary is open to every job: Metal writes there."""
    return "/tmp" if sys.platform == "darwin" else tempfile.gettempdir()  # noqa: S108 - the folder in it is new


def _loopback_pair() -> tuple[socket.socket, socket.socket]:
    """TCP and UDP on one port. Another program may have the UDP one of a port that TCP just got."""
    for _ in range(_MOST_TRIES - 1):
        tcp = _listener(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
        try:
            return tcp, _listener(socket.AF_INET, socket.SOCK_DGRAM, tcp.getsockname())
        except OSError:
            tcp.close()
    tcp = _listener(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
    return tcp, _listener(socket.AF_INET, socket.SOCK_DGRAM, tcp.getsockname())


def _listener(family: socket.AddressFamily, kind: socket.SocketKind, address: tuple[str, int] | str) -> socket.socket:
    listener = socket.socket(family, kind)
    listener.setblocking(False)
    listener.bind(address)
    if kind == socket.SOCK_STREAM:
        listener.listen()
    return listener


def _has_heard(listener: socket.socket) -> bool:
    try:
        if listener.type == socket.SOCK_STREAM:
            listener.accept()[0].close()
        else:
            listener.recv(64)
    except BlockingIOError:
        return False
    return True
