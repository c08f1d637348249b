"""Calls of the Linux kernel that Python does not have, by libc or by their number. A failure raises OSError."""

from __future__ import annotations

import ctypes
import os


def libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def system_call(number: int, *arguments: bytes | int | None) -> int:
    """What the kernel answers, -1 for a failure."""
    call = libc().syscall
    call.restype = ctypes.c_long
    sized = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result: int = call(ctypes.c_long(number), *sized)
    return result


def checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def promise_no_new_privileges() -> None:
    """Of this process and all it will start: without it an ordinary user may enter neither Landlock nor seccomp."""
    checked(libc().prctl(38, 1, 0, 0, 0))  # PR_SET_NO_NEW_PRIVS
