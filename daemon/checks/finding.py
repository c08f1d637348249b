"""What a check looks at, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from config.paths import Home, QmdFiles
from daemon.installed import Installed
from daemon.system.folders import FolderState
from jobs.domain.confinement import FileWalls
from jobs.domain.corpus import Collection
from jobs.keys import Keys
from launchd.agent import Agent
from launchd.machine import Machine
from launchd.program import Program

Level = Literal["ok", "warn", "fail", "cannot tell"]


class Finding(Struct, frozen=True, kw_only=True):
    level: Level
    told: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """``installed`` and ``probe`` (of the notes' folders) answer from this process or from inside the agent; none if
    nobody answered."""

    home: Home
    machine: Machine
    agent: Agent
    program: Program
    qmd_files: QmdFiles
    collections: Callable[[], Sequence[Collection]]
    installed: Callable[[], Installed | None]
    keys: Keys
    file_walls: Callable[[], FileWalls]
    probe: Callable[[Sequence[Collection]], Mapping[str, FolderState] | None]


Check = Callable[[Subject], Finding]


def ok(told: str) -> Finding:
    return Finding(level="ok", told=told)


def warn(told: str, remedy: str) -> Finding:
    return Finding(level="warn", told=told, remedy=remedy)


def fail(told: str, remedy: str) -> Finding:
    return Finding(level="fail", told=told, remedy=remedy)


def cannot_tell(told: str, remedy: str) -> Finding:
    return Finding(level="cannot tell", told=told, remedy=remedy)
