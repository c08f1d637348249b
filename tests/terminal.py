"""A terminal for tests: a program runs in it as in a person's window, with a width, single keys and Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

PATIENCE = 60.0
CTRL_C = "\x03"
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# The window is its session's terminal first, so that Ctrl-C reaches it as from a keyboard; and it listens to it, which
# a program that a script started in the background is told not to.
_IN_A_WINDOW = (
    "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "signal.signal(signal.SIGINT, signal.SIG_DFL);"
    "os.execv(sys.executable, [sys.executable, '-m', 'daemon.cli', *sys.argv[1:]])"
)


class Terminal:
    """``seen``: all that was shown so far, without the terminal's own commands."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self._master = master
        self._process = process
        self._raw = b""

    @property
    def seen(self) -> str:
        return _ESCAPES.sub("", self._raw.decode("utf-8", "replace")).replace("\r\n", "\n")

    def types(self, text: str, then: str) -> str:
        """Types, waits until ``then`` comes up in what follows, and returns what followed."""
        before = len(self.seen)
        os.write(self._master, text.encode())
        return self.waits_for(then, after=before)

    def waits_for(self, word: str, *, after: int = 0) -> str:
        deadline = time.monotonic() + PATIENCE
        while word not in self.seen[after:]:
            assert time.monotonic() < deadline, f"“{word}” never came: {self.seen}"
            assert self._read(), f"it ended without “{word}”: {self.seen}"
        return self.seen[after:]

    def ends(self) -> int:
        """The exit code, once all was read."""
        while self._read():
            pass
        return self._process.wait(timeout=PATIENCE)

    def _read(self) -> bool:
        """False at the end."""
        if not select.select([self._master], [], [], 0.5)[0]:
            return self._process.poll() is None
        try:
            chunk = os.read(self._master, 65536)
        except OSError:  # Linux: the other side of the terminal is closed
            return False
        self._raw += chunk
        return bool(chunk)


@contextmanager
def terminal(*words: str, environment: Mapping[str, str], columns: int = 80) -> Iterator[Terminal]:
    """``iaipctl`` with these words, in a window of so many columns."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    surroundings = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-c", _IN_A_WINDOW, *words],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**surroundings, "TERM": "xterm"},
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(master, process)
    finally:
        process.kill()
        process.wait()
        os.close(master)
