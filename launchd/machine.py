"""The machine as an agent may touch it: tools at absolute paths, run by argv with a timeout. Tests give another one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from msgspec import Struct

TIMED_OUT, NOT_THERE = -1, -2
MOST_OUTPUT = 1 << 20

PLACES = {
    "launchctl": "/bin/launchctl",
    "caffeinate": "/usr/bin/caffeinate",
    "defaults": "/usr/bin/defaults",
    "fdesetup": "/usr/bin/fdesetup",
    "ioreg": "/usr/sbin/ioreg",
    "notifyutil": "/usr/bin/notifyutil",
    "osascript": "/usr/bin/osascript",
    "pmset": "/usr/bin/pmset",
    "sandbox-exec": "/usr/bin/sandbox-exec",
    "sw_vers": "/usr/bin/sw_vers",
    "sysctl": "/usr/sbin/sysctl",
    "taskpolicy": "/usr/sbin/taskpolicy",
    "xattr": "/usr/bin/xattr",
    "loginctl": "/usr/bin/loginctl",
    "lsblk": "/usr/bin/lsblk",
    "systemctl": "/usr/bin/systemctl",
}
"""The system's tools where macOS and Linux keep them: PATH has no say."""


@dataclass(frozen=True)
class Tools:
    """Absolute paths of the system's tools; all of them in one folder where ``folder`` is given."""

    folder: Path | None = None

    def path(self, name: str) -> str:
        return PLACES[name] if self.folder is None else str(self.folder / name)


class Answer(Struct, frozen=True):
    """How a tool ended: TIMED_OUT and NOT_THERE stand beside its own exit codes."""

    code: int
    out: str
    err: str


class Run(Protocol):
    def __call__(self, argv: Sequence[str], timeout: float) -> Answer:
        """Runs the tool to its end, or kills it after ``timeout`` seconds. Never raises for what the tool does."""


class WriteFile(Protocol):
    def __call__(self, path: Path, content: bytes, *, mode: int = 0o600) -> None:
        """Replaces the file at ``path``: old or new, never half, also after a power cut."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """Who asks, and from where."""

    uid: int
    sudo: bool = False
    ssh: bool = False


@dataclass(frozen=True, kw_only=True)
class Machine:
    platform: str
    tools: Tools
    run: Run
    session: Session
    user_home: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    pause: Callable[[float], None] = time.sleep

    def call(self, tool: str, *arguments: str, timeout: float = 20.0) -> Answer:
        return self.run([self.tools.path(tool), *arguments], timeout)

    def on_path(self, name: str) -> str | None:
        """For what the system itself does not bring: where its owner's PATH has it."""
        return shutil.which(name, path=self.environment.get("PATH", ""))


def this_machine() -> Machine:
    return Machine(
        platform=sys.platform,
        tools=Tools(),
        run=run_tool,
        session=Session(uid=os.getuid(), sudo="SUDO_UID" in os.environ, ssh="SSH_CONNECTION" in os.environ),
        user_home=Path.home(),
        environment=dict(os.environ),
    )


def run_tool(argv: Sequence[str], timeout: float) -> Answer:
    try:
        done = subprocess.run(list(argv), stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return Answer(TIMED_OUT, "", f"no answer within {timeout:.0f} s")
    except OSError as error:
        return Answer(NOT_THERE, "", str(error.strerror))
    return Answer(done.returncode, _text(done.stdout), _text(done.stderr))


def _text(output: bytes) -> str:
    return output[:MOST_OUTPUT].decode("utf-8", "replace")
