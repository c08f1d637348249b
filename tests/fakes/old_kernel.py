"""Runs a command as on a system without Landlock, and maybe without user namespaces: the calls are unknown to it.

python -m tests.fakes.old_kernel bare|with-namespaces PROGRAM [ARGUMENT ...]
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


def forget(*calls: int) -> None:
    lines = [
        (0x20, 0, 0, 0),
        *((0x15, len(calls) - place, 0, call) for place, call in enumerate(calls)),
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
    forget(LANDLOCK_CREATE_RULESET, *([UNSHARE[os.uname().machine]] if sys.argv[1] == "bare" else []))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the command takes the place of this process
