"""Linux: takes every way out of this process and all it will start, for good. Needs no privilege.

Four things are taken. Other processes: in a user and network namespace of its own, or in a Landlock domain,
a process cannot trace one outside it, nor borrow its descriptors (user_namespaces(7), landlock(7)). Sockets:
a seccomp filter lets none be made, of any family (seccomp(2)). Landlock alone would leave UDP and UNIX sockets
that lie at a path, a namespace alone the latter: through them the user's service manager, D-Bus or a container
daemon would do anything. Terminals: the filter lets nothing be typed into one (ioctl_tty(2)). And files outside
the job's own folders, by Landlock, so that no program is left for somebody else to run.

What stays: connected stream pairs (``socketpair``), on which Node and Python talk to their own children.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from jobs.adapters.landlock import OLDEST_FOR_FILES, OLDEST_FOR_TCP, enter_landlock, landlock_version
from jobs.adapters.system_calls import checked, libc, promise_no_new_privileges
from jobs.domain.confinement import FileWalls, Rung

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_SET_SECCOMP, _FILTER = 22, 2

# Besides a job's folders: where output goes to vanish, and what drives the accelerators.
_DEVICES = ("null", "dri", "kfd", "dxg", "nvidia*")

# machine → (its AUDIT_ARCH, the numbers of socket, socketpair, io_uring_setup and ioctl)
_CALLS = {"x86_64": (0xC000003E, 41, 53, 425, 16), "aarch64": (0xC00000B7, 198, 199, 425, 29)}
_X32 = 0x40000000  # from here on, x86_64 has the numbers of another set of calls
_TYPE, _TYPE_AT_CONSOLE = 0x5412, 0x541C  # TIOCSTI, and TIOCLINUX, which pastes

# Classic BPF over struct seccomp_data: number at 0, architecture at 4, arguments of 8 bytes from 16 on.
_LOAD, _AND, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND = 0, 4, 16, 24
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_KIND_BITS = 0xF  # the others are SOCK_CLOEXEC and SOCK_NONBLOCK


def confine(writable: Iterable[Path]) -> tuple[Rung, FileWalls]:
    """Takes every way out, and all writing but beneath ``writable``. To be called while there is one thread.

    ``none``: this system has no such means. A kernel without Landlock, or with an older one, has none for files.
    """
    if platform.machine() not in _CALLS:
        return "none", "none"
    rung: Rung = "none"
    if _taken(_enter_namespace):
        rung = "namespace"
    files: FileWalls = "none"
    version, devices = landlock_version(), (path for name in _DEVICES for path in Path("/dev").glob(name))
    if version >= OLDEST_FOR_FILES and _taken(partial(enter_landlock, (*writable, *devices))):
        files = "landlock"
        rung = "landlock" if rung == "none" and version >= OLDEST_FOR_TCP else rung
    if rung != "none" and not _taken(_deny_calls):
        rung = "none"
    return rung, files


def _taken(step: Callable[[], None]) -> bool:
    """Whether a child of ours could do it; then it is done here too.

    Half a namespace, and Ubuntu's AppArmor grants no more, could not be left again.
    """
    child = os.fork()
    if child == 0:
        with suppress(OSError):
            step()
            os._exit(0)
        os._exit(1)
    works = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    if works:
        step()
    return works


def _enter_namespace() -> None:
    """A network with no interface up, and ourselves as the only user in it."""
    user, group = os.geteuid(), os.getegid()
    checked(libc().unshare(_NEW_USER | _NEW_NET))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _deny_calls() -> None:
    instructions = _filter(*_CALLS[platform.machine()])
    content = ctypes.create_string_buffer(b"".join(instructions))
    program = struct.pack("HP", len(instructions), ctypes.addressof(content))  # struct sock_fprog
    promise_no_new_privileges()
    checked(libc().prctl(_SET_SECCOMP, _FILTER, program, 0, 0))


def _filter(architecture: int, sockets: int, pairs: int, rings: int, controls: int) -> list[bytes]:
    """Denies ``socket``, every ``socketpair`` that is not a UNIX stream (datagram halves reach others), and typing.

    io_uring, which makes and connects sockets without any of these calls, is as if it did not exist.
    The jumps count from the next line, to one of the last three or to the command of an ``ioctl``.
    """
    return [
        _line(_LOAD, _ARCHITECTURE),
        _line(_IF_EQUAL, architecture, no=15),
        _line(_LOAD, _NUMBER),
        _line(_IF_AT_LEAST, _X32, yes=13),
        _line(_IF_EQUAL, sockets, yes=12),
        _line(_IF_EQUAL, rings, yes=12),
        _line(_IF_EQUAL, controls, yes=6),
        _line(_IF_EQUAL, pairs, no=8),
        _line(_LOAD, _FIRST),
        _line(_IF_EQUAL, socket.AF_UNIX, no=7),
        _line(_LOAD, _SECOND),
        _line(_AND, _KIND_BITS),
        _line(_IF_EQUAL, socket.SOCK_STREAM, yes=3, no=4),
        _line(_LOAD, _SECOND),
        _line(_IF_EQUAL, _TYPE, yes=2),
        _line(_IF_EQUAL, _TYPE_AT_CONSOLE, yes=1),
        _line(_RETURN, _ALLOW),
        _line(_RETURN, _ERROR | errno.EACCES),
        _line(_RETURN, _ERROR | errno.ENOSYS),
    ]


def _line(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    """struct sock_filter"""
    return struct.pack("=HBBI", code, yes, no, value)
