"""Runs a foreign program to its end: by argv, with a timeout, in a small environment, never by a shell."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from jobs.domain.errors import DiskFull, ToolFailed
from jobs.domain.full_disk import says_disk_full

_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TZ")
_STDERR_SHOWN = 800


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The few variables a tool needs, and ``extra``. CI and the like, which change what tools do, stay out."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ} | dict(extra)


def run_to_end(
    argv: Sequence[str],
    *,
    name: str,
    environment: Mapping[str, str],
    timeout: float,
    cwd: Path,
    stdin: bytes = b"",
    remedy: str,
) -> bytes:
    """The program's stdout.

    Raises ToolFailed, with the end of its stderr and the ``remedy``, if it cannot start, takes longer
    than ``timeout`` seconds (it is then killed), dies by a signal or ends with a code other than 0; DiskFull if it says
    that it failed for want of room.
    """
    try:
        finished = subprocess.run(
            list(argv), input=stdin, capture_output=True, env=dict(environment), cwd=cwd, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ToolFailed(
            f"{name} did not finish within {timeout:.0f} s",
            remedy="Try again when the machine is less busy, or raise qmd.timeout in config.toml.",
        ) from error
    except OSError as error:
        raise ToolFailed(f"{name} could not be started: {error}", remedy=remedy) from error
    if finished.returncode == 0:
        return finished.stdout
    ending = f"code {finished.returncode}" if finished.returncode > 0 else f"signal {-finished.returncode}"
    tail = finished.stderr.decode("utf-8", "replace").strip()[-_STDERR_SHOWN:]
    if says_disk_full(tail):
        raise DiskFull
    raise ToolFailed(f"{name} ended with {ending}: {tail}", remedy=remedy)
