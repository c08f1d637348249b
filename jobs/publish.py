"""Old or new, never half: stage, verify, fsync, rename, fsync the directory.

Every file that matters reaches its name through one of these functions, so that a crash or a power
cut at any point leaves either the former content or the new one. When a function has returned, what
it made is on the disk, directories included. When one raises OSError, what stood at the name before
stands there still; only where the very last step failed (the sync of the directory after the
rename) is it the new content, whole but not yet safe from a power cut. Trying again is always right.
Orphaned stages carry ``STAGE_PREFIX`` and are swept at start.
"""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from jobs.locks import is_held

STAGE_PREFIX = ".stage-"


def write_file(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replaces the file at ``path``. Raises OSError with the former content in place."""
    make_directory(path.parent)
    stage = _stage_beside(path)
    try:
        descriptor = os.open(stage, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            _sync_descriptor(file.fileno())
        stage.replace(path)
    except BaseException:
        _discard(stage)
        raise
    sync_directory(path.parent)


@contextmanager
def staged_file(path: Path) -> Iterator[Path]:
    """Yields a path beside ``path`` for the block to write; on a clean exit it is synced and takes ``path``'s place.

    What a crash left of an earlier call for the same path is removed first; other files are not touched.
    """
    for orphan in path.parent.glob(f"{STAGE_PREFIX}{glob.escape(path.name)}-*"):
        orphan.unlink()
    stage = _stage_beside(path)
    try:
        yield stage
        sync_file(stage)
        stage.replace(path)
    except BaseException:
        _discard(stage)
        raise
    sync_directory(path.parent)


@contextmanager
def published_directory(path: Path, *, verify: Callable[[Path], object] = lambda _: None) -> Iterator[Path]:
    """Yields an empty stage; on a clean exit, verifies, syncs and renames it to ``path``.

    ``verify`` raises what is wrong with the stage. If ``path`` already exists (somebody published the same content
    first) the stage is dropped. On an exception nothing appears at ``path``.
    """
    make_directory(path.parent)
    stage = _stage_beside(path)
    stage.mkdir(mode=0o700)
    try:
        yield stage
        verify(stage)
        _sync_tree(stage)
        if path.exists():
            _discard(stage)
        else:
            stage.rename(path)
    except BaseException:
        _discard(stage)
        raise
    sync_directory(path.parent)


def publish_file(source: Path, path: Path, *, mode: int = 0o400) -> None:
    """Moves a finished file on the same volume to ``path``, synced; an equal name is kept as it is."""
    make_directory(path.parent)
    if path.exists():
        sync_directory(path.parent)  # whoever published it may have died before this
        source.unlink(missing_ok=True)
        return
    source.chmod(mode)
    sync_file(source)
    source.rename(path)
    sync_directory(path.parent)


def switch_symlink(link: Path, target: str) -> None:
    """Points ``link`` at ``target`` (relative or absolute) in one rename. What stood at ``link`` is replaced."""
    make_directory(link.parent)
    stage = _stage_beside(link)
    try:
        stage.symlink_to(target)
        stage.replace(link)
    except BaseException:
        _discard(stage)
        raise
    sync_directory(link.parent)


def make_directory(path: Path) -> None:
    """The directory and its missing parents, private, each entry synced."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    sync_directory(path.parent)


def remove_file(path: Path) -> None:
    """Gone for good when this returns; nothing happens if there is none."""
    path.unlink(missing_ok=True)
    sync_directory(path.parent)


def remove_directory(path: Path) -> None:
    """Deletes by rename first, so that a crash never leaves half a directory under its name."""
    if not path.exists():
        return
    doomed = _stage_beside(path)
    path.rename(doomed)
    sync_directory(path.parent)
    shutil.rmtree(doomed)


def sweep_stages(directory: Path, *, idle: float = 0.0) -> int:
    """Removes what an interrupted publication left directly inside ``directory``; returns how many.

    ``idle``: only what nobody wrote into for so many seconds; for folders that others may be publishing in. What
    somebody holds (jobs/locks.py) is the scratch of a process at work and stays.
    """
    if not directory.is_dir():
        return 0
    before = time.time() - idle
    stages = [entry for entry in directory.iterdir() if entry.name.startswith(STAGE_PREFIX)]
    orphans = [stage for stage in stages if not idle or _last_written(stage) < before]
    unheld = [orphan for orphan in orphans if not is_held(orphan)]
    for orphan in unheld:
        _remove(orphan)
    return len(unheld)


def sync_directory(path: Path) -> None:
    """Makes what was created, renamed and removed directly inside ``path`` outlast a power cut."""
    sync_file(path)


def sync_file(path: Path) -> None:
    """The content of a file, or the entries of a directory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _sync_descriptor(descriptor)
    finally:
        os.close(descriptor)


def _stage_beside(path: Path) -> Path:
    return path.parent / f"{STAGE_PREFIX}{path.name}-{uuid4().hex[:8]}"


def _sync_tree(directory: Path) -> None:
    for folder, _, files in os.walk(directory, topdown=False, onerror=_raise):
        for path in (Path(folder) / name for name in files):
            if not path.is_symlink():  # a link has no content of its own
                sync_file(path)
        sync_directory(Path(folder))


def _raise(error: OSError) -> None:
    raise error


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _last_written(stage: Path) -> float:
    return max(path.lstat().st_mtime for path in (stage, *stage.rglob("*")))


def _discard(stage: Path) -> None:
    """Best effort, so that the error which is under way is the one that is told: a sweep takes what stays."""
    with suppress(OSError):
        _remove(stage)


def _sync_descriptor(descriptor: int) -> None:
    """On macOS fsync stops at the drive's cache and F_FULLFSYNC goes through (fsync(2) there).

    Some file systems do not know F_FULLFSYNC: there fsync is all there is, and it tells a real error.
    """
    if sys.platform == "darwin":
        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)
