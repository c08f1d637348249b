"""Processes behind the real walls, on each rung that this machine has."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from daemon.system.sandbox import confined, job_environment
from daemon.system.witness import Witness
from jobs.domain.confinement import Receipt
from jobs.wire import decode_receipt

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux confines from inside")
AS_IT_IS: tuple[str, ...] = ()
NO_PLACES: Mapping[str, Path] = {}
NO_NAMESPACES = ("unshare", "-Ur", "sh", "-c", 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"', "--")
OLD_KERNEL = (sys.executable, "-m", "tests.fakes.old_kernel", "bare")
NO_LANDLOCK = (sys.executable, "-m", "tests.fakes.old_kernel", "with-namespaces")


def have_namespaces() -> bool:
    """Ubuntu's AppArmor, and containers, grant an ordinary user none."""
    return subprocess.run(["unshare", "-Urn", "true"], capture_output=True, check=False).returncode == 0


def have_landlock() -> bool:
    """TCP rules came with Linux 6.7; a kernel may be built without them."""
    major, minor = platform.release().split(".")[:2]
    return (int(major), int(minor)) >= (6, 7)


def inside(
    witness: Witness, code: str, around: Sequence[str] = AS_IT_IS, places: Mapping[str, Path] = NO_PLACES
) -> tuple[Receipt, str]:
    """The receipt of a confined Python that then runs ``code``, with what that printed."""
    command = [*around, *confined([sys.executable, "-c", code], witness, places)]
    done = subprocess.run(command, env=job_environment(witness), capture_output=True, timeout=60, check=True)
    receipt, _, rest = done.stdout.partition(b"\n")
    return decode_receipt(receipt), rest.decode()
