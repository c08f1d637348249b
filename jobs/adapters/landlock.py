"""Linux's Landlock: this process and all it will start write into a few folders only, for good (landlock(7)).

As far as the kernel goes: from 6.7 on no TCP either, and from 6.12 on no abstract UNIX socket and no signal to
a process outside. Reading is everywhere as it was, and so are modes and times of the owner's files.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from jobs.adapters.system_calls import checked, promise_no_new_privileges, system_call

OLDEST_FOR_FILES = 2  # Linux 5.19: before it, nothing could be renamed from one folder into another
OLDEST_FOR_TCP = 4

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_PATH_BENEATH = 1
_WRITE_FILE, _REFER, _TRUNCATE = 1 << 1, 1 << 13, 1 << 14
_MAKE_AND_REMOVE = 0b1_1111_1111_0000  # of files, folders, links, pipes, sockets and devices
_KNOWS_TRUNCATE, _KNOWS_SCOPES = 3, 6
_BIND_AND_CONNECT = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11


def landlock_version() -> int:
    """Of the kernel's interface; 0 or less where there is no Landlock."""
    return system_call(_CREATE_RULESET, None, 0, _ASK_VERSION)


def enter_landlock(writable: Iterable[Path]) -> None:
    """``writable``: files, and folders with all that will ever be in them. What is not there is passed over.

    Raises OSError where the kernel's Landlock is older than OLDEST_FOR_FILES, or will not have it.
    """
    version = landlock_version()
    rights = _rights(version)
    # struct landlock_ruleset_attr: access to files, to networks (from 4 on), scopes (from 6 on)
    attributes = struct.pack("=QQQ", rights, _BIND_AND_CONNECT, _ABSTRACT_SOCKETS_AND_SIGNALS)[: _known_bytes(version)]
    promise_no_new_privileges()
    ruleset = checked(system_call(_CREATE_RULESET, attributes, len(attributes), 0))
    try:
        for path in writable:
            with suppress(FileNotFoundError):
                _allow(ruleset, path, rights)
        checked(system_call(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _rights(version: int) -> int:
    """All that changes what is in files and folders, as far as this version knows it."""
    return _WRITE_FILE | _MAKE_AND_REMOVE | _REFER | (_TRUNCATE if version >= _KNOWS_TRUNCATE else 0)


def _known_bytes(version: int) -> int:
    return 24 if version >= _KNOWS_SCOPES else 16 if version >= OLDEST_FOR_TCP else 8


def _allow(ruleset: int, path: Path, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _WRITE_FILE | _TRUNCATE
        rule = struct.pack("=Qi", rights, descriptor)  # struct landlock_path_beneath_attr
        checked(system_call(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0))
    finally:
        os.close(descriptor)
