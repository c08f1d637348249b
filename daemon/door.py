"""Where the daemon answers "are you well?". Only the same user gets an answer.

Nothing here changes anything; what is asked of the daemon otherwise goes through the ledger.
"""

from __future__ import annotations

import os
import select
import socket
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import structlog

from daemon.socket import LONGEST_LINE, PATIENCE_SECONDS, Question, one_line, own_folder, peer_uid
from jobs.domain.errors import IaipError, Refused

log = structlog.get_logger()

POLL_SECONDS = 1.0


class SocketServer:
    """Answers on ``path`` in threads of its own. ``answer`` gives what is encoded as JSON."""

    def __init__(self, path: Path, answer: Callable[[Question], Any]) -> None:
        self._path = path
        self._answer = answer
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="socket", daemon=True)
        self._listener: socket.socket | None = None
        self._inode = 0

    def start(self) -> None:
        """Raises Refused if the socket's place is taken by something that is not ours."""
        self._listen()
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as waker:
            waker.connect(str(self._path))  # ends the wait for the next asker
        self._thread.join()
        if self._listener is not None:
            self._listener.close()
            if self._is_ours():
                self._path.unlink()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._round()
            except (
                OSError,
                Refused,
            ) as error:  # a full table of files, a folder swept away: the next round tries again
                log.warning("the socket could not be served", reason=str(error))
                self._stop.wait(POLL_SECONDS)

    def _round(self) -> None:
        if not self._is_ours():
            self._listen()
        assert self._listener is not None
        if select.select([self._listener], [], [], POLL_SECONDS)[0]:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _listen(self) -> None:
        """The daemon's lock is held: whatever socket lies here belongs to nobody who is alive."""
        if self._listener is not None:
            self._listener.close()
        own_folder(self._path.parent)
        if self._path.exists() or self._path.is_symlink():
            if not stat.S_ISSOCK(self._path.lstat().st_mode):
                raise Refused(f"{self._path} is in the socket's place", remedy="move that file away, then start again")
            self._path.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self._path))
        self._path.chmod(0o600)
        listener.listen(8)
        self._listener, self._inode = listener, self._path.lstat().st_ino

    def _is_ours(self) -> bool:
        try:
            return self._path.lstat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the asker went away: nobody is left to be told
            connection.settimeout(PATIENCE_SECONDS)
            if peer_uid(connection) != os.getuid():
                return
            line = one_line(connection, LONGEST_LINE)
            try:
                answer = self._answer(msgspec.json.decode(line, type=Question))
            except msgspec.DecodeError as error:
                answer = {"refused": f"not a question: {error}"}
            except IaipError as error:
                answer = {"refused": error.message}
            connection.sendall(msgspec.json.encode(answer) + b"\n")
