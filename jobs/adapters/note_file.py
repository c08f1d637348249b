"""One note's file: whether it is a document, and its bytes. It is never waited for and never read half-written."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
from collections.abc import Mapping

from jobs.domain.scan import Known, Reason

_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SF_DATALESS = 0x40000000  # <sys/stat.h> on macOS
_UF_COMPRESSED = 0x20  # its content is in an attribute, so it has no blocks either
_WHY: Mapping[int, Reason] = {errno.ELOOP: "link", errno.EDEADLK: "not-downloaded"}
# A file written this shortly before a scan can change again without a new modification time.
_UNSETTLED_NS = 2_000_000_000


def examine(path: str, known: Known | None, largest: int, now_ns: int) -> Known | Reason:
    """The document as it is now, taken from ``known`` if its file looks the same. Never raises."""
    try:
        status = os.lstat(path)
    except OSError:
        return "unreadable"
    if known is not None and (known.size, known.mtime_ns, known.inode) == (
        status.st_size,
        status.st_mtime_ns,
        status.st_ino,
    ):
        return known
    content = read_content(path, largest)
    if not isinstance(content, bytes):
        return content
    settled = abs(now_ns - status.st_mtime_ns) >= _UNSETTLED_NS
    return Known(
        size=status.st_size,
        mtime_ns=status.st_mtime_ns if settled else 0,  # 0: the next scan reads it once more
        inode=status.st_ino,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def read_content(path: str | os.PathLike[str], largest: int) -> bytes | Reason:
    """The bytes of a file that is a document, else why it is none. ``largest`` is in bytes."""
    try:
        if reason := _unwanted(os.lstat(path), largest):  # before it is opened: that may fetch it from a cloud
            return reason
        with os.fdopen(os.open(path, _OPEN_FLAGS), "rb") as file:
            before = os.fstat(file.fileno())
            if reason := _unwanted(before, largest):
                return reason
            content = file.read(largest + 1)
            after = os.fstat(file.fileno())
    except OSError as error:
        return _WHY.get(error.errno or 0, "unreadable")
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        return "being-written"
    return _judged(content, largest)


def is_evicted(status: os.stat_result, platform: str = sys.platform) -> bool:
    """Whether a file's bytes are only in a cloud (macOS: "dataless"); reading it would wait for the network.

    Elsewhere a file without blocks says nothing: small files may live in the directory (btrfs, zfs).
    """
    if platform != "darwin":
        return False
    flags = int(getattr(status, "st_flags", 0))
    without_blocks = status.st_size > 0 and status.st_blocks == 0 and not flags & _UF_COMPRESSED
    return bool(flags & _SF_DATALESS) or without_blocks


def _unwanted(status: os.stat_result, largest: int) -> Reason | None:
    if stat.S_ISLNK(status.st_mode):
        return "link"
    if not stat.S_ISREG(status.st_mode):
        return "unreadable"
    if is_evicted(status):
        return "not-downloaded"
    return "too-large" if status.st_size > largest else None


def _judged(content: bytes, largest: int) -> bytes | Reason:
    if len(content) > largest:
        return "too-large"
    if b"\0" in content:
        return "binary"
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return "not-utf-8"
    return content if text.replace("\ufeff", "").strip() else "empty"
