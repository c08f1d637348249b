"""Asking the daemon itself whether it is well: a UNIX socket, one JSON line a question, one JSON line back.

Both sides look who the other is: the folder is 0700 and the kernel names the peer. Light, for `iaipctl status` asks.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal
from uuid import uuid4

import msgspec
from msgspec import Struct

from jobs.domain.errors import Refused

LONGEST_LINE = 4096
LONGEST_ANSWER = 1 << 20
PATIENCE_SECONDS = 5.0
# getsockopt(2) on macOS: level SOL_LOCAL, option LOCAL_PEERCRED, a struct xucred of version 0 (sys/ucred.h).
SOL_LOCAL, LOCAL_PEERCRED, XUCRED = 0, 0x001, struct.Struct("IIh2x16I")
UCRED = struct.Struct("iII")  # SO_PEERCRED on Linux: pid, uid, gid


class Question(Struct, frozen=True, kw_only=True):
    ask: Literal["health", "folders", "installed"]
    nonce: str = ""


class Health(Struct, frozen=True, kw_only=True):
    """``nonce`` comes back as it was sent: the answer is of now, and of the one who was asked."""

    version: str
    pid: int
    nonce: str
    home: str
    live: str | None
    started_at: datetime


def ask(path: Path, question: Question, timeout: float) -> bytes | None:
    """The daemon's answer as JSON; none if nobody of ours answers within ``timeout`` seconds of silence."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(str(path))
            if peer_uid(connection) != os.getuid():
                return None
            connection.sendall(msgspec.json.encode(question) + b"\n")
            return one_line(connection, LONGEST_ANSWER) or None
        except OSError:  # no file, a dead file, a daemon that is stopping or stuck: all say the same
            return None


def ask_health(path: Path, nonce: str, timeout: float = PATIENCE_SECONDS) -> Health | None:
    """None unless a daemon of ours answers this very question."""
    answer = ask(path, Question(ask="health", nonce=nonce), timeout)
    try:
        health = None if answer is None else msgspec.json.decode(answer, type=Health)
    except msgspec.DecodeError:
        return None
    return health if health is not None and health.nonce == nonce else None


def own_folder(folder: Path) -> None:
    """Makes the folder, or proves it ours and closed to others. Raises Refused for one that is not."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise Refused(f"{folder} does not belong to you", remedy="remove it, or choose a home with a shorter path")
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)


def peer_uid(connection: socket.socket) -> int:
    """Who is at the other end, by the kernel's word."""
    if sys.platform == "darwin":
        return uid_of_xucred(connection.getsockopt(SOL_LOCAL, LOCAL_PEERCRED, XUCRED.size))
    return int(UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size))[1])


def uid_of_xucred(raw: bytes) -> int:
    """The uid in a struct xucred. Raises OSError for another version of it."""
    version, uid, *_ = XUCRED.unpack(raw)
    if version != 0:
        raise OSError(f"struct xucred has version {version}")
    return int(uid)


def one_line(connection: socket.socket, most: int) -> bytes:
    """Up to the first line feed, or to the end; an overlong line is cut, and will not decode."""
    read = b""
    while b"\n" not in read and len(read) < most:
        chunk = connection.recv(65536)
        if not chunk:
            break
        read += chunk
    return read.partition(b"\n")[0][:most]


def wait_healthy(
    path: Path, wanted: Callable[[Health], bool], seconds: float, given_up: Callable[[], bool]
) -> Health | None:
    """The first answer that is ``wanted``; none if there is none within ``seconds``, or before it was ``given_up``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not given_up():
        health = ask_health(path, uuid4().hex)
        if health is not None and wanted(health):
            return health
        time.sleep(0.2)
    return None
