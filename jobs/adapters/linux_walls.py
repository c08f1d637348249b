"""Linux: takes every way out of this process and all it will start, for good. Needs no privilege.

Two things are taken. Other processes: in a user and network namespace of its own, or in a Landlock domain,
a process cannot trace one outside it, nor borrow its descriptors (user_namespaces(7), landlock(7)). And sockets:
a seccomp filter lets none be made, of any family (seccomp(2)). Landlock alone would leave UDP and UNIX sockets
that lie at a path, a namespace alone the latter: through them the user's service manager, D-Bus or a container
daemon would do anything.

What stays: connected stream pairs (``socketpair``), on which Node and Python talk to their own children.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from jobs.domain.confinement import Rung

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2

_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_ASK_VERSION = 1
_OLDEST_LANDLOCK = 4  # the first that knows TCP
_SCOPING_LANDLOCK = 6  # the first that keeps a process from abstract sockets and from signalling outside
_BIND_AND_CONNECT = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11

# machine → (its AUDIT_ARCH, the numbers of socket, socketpair and io_uring_setup)
_CALLS = {"x86_64": (0xC000003E, 41, 53, 425), "aarch64": (0xC00000B7, 198, 199, 425)}
_X32 = 0x40000000  # from here on, x86_64 has the numbers of another set of calls

# Classic BPF over struct seccomp_data: number at 0, architecture at 4, arguments of 8 bytes from 16 on.
_LOAD, _AND, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FAMILY, _KIND = 0, 4, 16, 24
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_KIND_BITS = 0xF  # the others are SOCK_CLOEXEC and SOCK_NONBLOCK


def confine() -> Rung:
    """Takes every way out. To be called while there is one thread. ``none``: this system has no such means."""
    if platform.machine() not in _CALLS:
        return "none"
    rung: Rung = "none"
    if _would_work(_enter_namespace):
        _enter_namespace()
        rung = "namespace"
    elif _landlock_version() >= _OLDEST_LANDLOCK and _would_work(_enter_landlock):
        _enter_landlock()
        rung = "landlock"
    if rung != "none" and _would_work(_deny_sockets):
        _deny_sockets()
        return rung
    return "none"


def _would_work(step: Callable[[], None]) -> bool:
    """Whether a child of ours can do it. Half a namespace (Ubuntu's AppArmor grants no more) cannot be left again."""
    child = os.fork()
    if child == 0:
        with suppress(OSError):
            step()
            os._exit(0)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _enter_namespace() -> None:
    """A network with no interface up, and ourselves as the only user in it."""
    user, group = os.geteuid(), os.getegid()
    _checked(_libc().unshare(_NEW_USER | _NEW_NET))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _landlock_version() -> int:
    """0 or less where there is no Landlock."""
    return _system_call(_CREATE_RULESET, None, 0, _ASK_VERSION)


def _enter_landlock() -> None:
    scoped = _ABSTRACT_SOCKETS_AND_SIGNALS if _landlock_version() >= _SCOPING_LANDLOCK else 0
    # struct landlock_ruleset_attr: access to files, access to networks, scopes (only from ABI 6 on)
    attributes = struct.pack("=QQQ", 0, _BIND_AND_CONNECT, scoped)[: 24 if scoped else 16]
    _checked(_libc().prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    ruleset = _checked(_system_call(_CREATE_RULESET, attributes, len(attributes), 0))
    _checked(_system_call(_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)


def _deny_sockets() -> None:
    instructions = _filter(*_CALLS[platform.machine()])
    content = ctypes.create_string_buffer(b"".join(instructions))
    program = struct.pack("HP", len(instructions), ctypes.addressof(content))  # struct sock_fprog
    _checked(_libc().prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    _checked(_libc().prctl(_SET_SECCOMP, _FILTER, program, 0, 0))


def _filter(architecture: int, sockets: int, pairs: int, rings: int) -> list[bytes]:
    """Denies ``socket``, and every ``socketpair`` that is not a UNIX stream: datagram halves reach others.

    io_uring, which makes and connects sockets without any of these calls, is as if it did not exist.
    The jumps count from the next line to one of the last three.
    """
    return [
        _line(_LOAD, _ARCHITECTURE),
        _line(_IF_EQUAL, architecture, no=11),
        _line(_LOAD, _NUMBER),
        _line(_IF_AT_LEAST, _X32, yes=9),
        _line(_IF_EQUAL, sockets, yes=8),
        _line(_IF_EQUAL, rings, yes=8),
        _line(_IF_EQUAL, pairs, no=5),
        _line(_LOAD, _FAMILY),
        _line(_IF_EQUAL, socket.AF_UNIX, no=4),
        _line(_LOAD, _KIND),
        _line(_AND, _KIND_BITS),
        _line(_IF_EQUAL, socket.SOCK_STREAM, no=1),
        _line(_RETURN, _ALLOW),
        _line(_RETURN, _ERROR | errno.EACCES),
        _line(_RETURN, _ERROR | errno.ENOSYS),
    ]


def _line(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    """struct sock_filter"""
    return struct.pack("=HBBI", code, yes, no, value)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _system_call(number: int, *arguments: bytes | int | None) -> int:
    call = _libc().syscall
    call.restype = ctypes.c_long
    sized = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result: int = call(ctypes.c_long(number), *sized)
    return result


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
