"""Runs a command as on a system with neither user namespaces nor Landlock: both calls are unknown to it.

python -m tests.fakes.old_kernel PROGRAM [ARGUMENT ...]
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2
LANDLOCK_CREATE_RULESET = 444
UNSHARE = {"x86_64": 272, "aarch64": 97}
ALLOW, UNKNOWN = 0x7FFF0000, 0x00050000 | 38


def forget() -> None:
    lines = [
        (0x20, 0, 0, 0),
        (0x15, 2, 0, LANDLOCK_CREATE_RULESET),
        (0x15, 1, 0, UNSHARE[os.uname().machine]),
        (0x06, 0, 0, ALLOW),
        (0x06, 0, 0, UNKNOWN),
    ]
    content = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in lines))
    program = struct.pack("HP", len(lines), ctypes.addressof(content))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for step in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, FILTER, program, 0, 0)):
        if prctl(*step) != 0:
            raise OSError(ctypes.get_errno(), "this kernel has no seccomp")


if __name__ == "__main__":
    forget()
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - the command takes the place of this process
