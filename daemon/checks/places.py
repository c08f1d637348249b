"""The places: the home, QMD's own two files, the notes, the disk."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from daemon.checks.finding import Finding, Subject, cannot_tell, fail, ok, warn
from daemon.system.folders import FolderState
from daemon.system.mounts import may_be_remote, volume_of
from jobs.domain.errors import IaipError
from launchd.machine import Machine

GIB = 1 << 30
TOO_LITTLE, LITTLE = 1 * GIB, 5 * GIB
PROTECTED_BY_MACOS = ("Desktop", "Documents", "Downloads", "Library/Mobile Documents", "Library/CloudStorage")
_PRIVACY = (
    "System Settings, Privacy & Security, Full Disk Access: add the interpreter"
    " (`iaipctl doctor interpreter` names it), or keep the notes outside Documents, Desktop and Downloads"
)


def check_home(subject: Subject) -> Finding:
    """Ours alone, on a local disk, where an agent may go."""
    root = subject.home.root
    if not root.is_dir():
        return fail(f"there is no home at {root}", "`iaipctl init`")
    found = root.stat()
    if found.st_uid != os.getuid():
        return fail(f"{root} belongs to another user", "choose a home of your own with --home")
    if stat.S_IMODE(found.st_mode) & 0o077:
        return fail(f"others may look into {root}", f"`chmod 700 '{root}'`")
    return _where(root, subject.machine)


def _where(root: Path, machine: Machine) -> Finding:
    volume = volume_of(root)
    kind = volume.file_system
    if may_be_remote(kind):
        return fail(
            f"{root} is or may be on a network volume ({kind}), where databases break", "choose a home on a local disk"
        )
    if machine.platform == "darwin" and is_protected(root, machine.user_home):
        return fail(f"macOS keeps agents out of {root}", "choose a home elsewhere; the default is under Library")
    if volume.device != volume_of(machine.user_home).device:
        return warn(
            f"{root} is on a volume of its own: while that is away, QMD finds no files and nobody can tell you",
            "keep it attached always, or choose a home on the disk of your own folder",
        )
    return ok(f"{root}, yours alone, on {kind or 'an unnamed file system'}")


def check_qmd_files(subject: Subject) -> Finding:
    """QMD's configuration and index lead to the live release."""
    current = subject.home.releases / "current"
    if not current.is_symlink():
        return fail("nothing is live yet", "`iaipctl init`")
    files = subject.qmd_files
    for place, inside in ((files.config, "qmd/index.yml"), (files.index, "index/index.sqlite")):
        if not place.is_symlink() or place.readlink() != current / inside:
            return warn(
                f"{place} is not the link that `iaipctl init` made: QMD reads it, not the live release",
                "`iaipctl init`",
            )
    return ok(f"{files.config} and {files.index} lead to {current.readlink()}")


def check_notes(subject: Subject) -> Finding:
    """Every collection's folder can be read; the worst one decides."""
    try:
        collections = subject.collections()
    except IaipError as error:
        return fail(error.message, error.remedy)
    if not collections:
        return warn("QMD has no collection", "`qmd collection add FOLDER --name notes`, then `iaipctl init`")
    states = subject.probe(collections)
    if states is None:
        remedy = "`iaipctl doctor agent`; a question about access may be open on the Mac's screen"
        return cannot_tell("the agent did not answer", remedy)
    return readability(states, subject.machine.platform)


def readability(states: Mapping[str, FolderState], platform: str) -> Finding:
    """The worst folder decides; a closed one is never taken for an empty one."""
    told = ", ".join(f"{name}: {state}" for name, state in states.items())
    found = set(states.values())
    if "not permitted" in found:
        return fail(told, _PRIVACY if platform == "darwin" else "`chmod u+rX` the folder, and those above it")
    if "missing" in found:
        return fail(told, "connect its disk, or `qmd collection remove` it")
    if "cannot tell" in found:
        return cannot_tell(told, "look whether the folder's disk is well; then `iaipctl doctor notes` again")
    if found == {"empty"}:
        return warn(told, "there is nothing to learn from yet: add notes, or name another folder to QMD")
    return ok(told)


def check_disk(subject: Subject) -> Finding:
    try:
        free = shutil.disk_usage(subject.home.root).free
    except OSError as error:
        return cannot_tell(f"the disk's room is unknown ({error.strerror})", "`iaipctl doctor home`")
    told = f"{free / GIB:.1f} GiB free"
    if free < TOO_LITTLE:
        return fail(f"{told}: no model can be trained", "free some disk space")
    return warn(f"{told}: room for little more than one run", "free some disk space") if free < LITTLE else ok(told)


def is_protected(path: Path, user_home: Path) -> bool:
    """Whether macOS asks its user before a program that launchd starts may read there."""
    return any(path.resolve().is_relative_to(user_home.resolve() / folder) for folder in PROTECTED_BY_MACOS)
