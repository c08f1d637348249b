"""Old or new, never half: stage, verify, fsync, rename, fsync the directory.

Every file that matters reaches its name through one of these functions, so that a crash at any
point leaves either the former content or the new one. Orphaned stages carry ``STAGE_PREFIX`` and
are swept at start.
"""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

STAGE_PREFIX = ".stage-"


def write_file(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replaces the file at ``path``. Raises OSError with the former content in place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stage = _stage_beside(path)
    try:
        descriptor = os.open(stage, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            _sync_descriptor(file.fileno())
        stage.replace(path)
    except BaseException:
        stage.unlink(missing_ok=True)
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
        _sync_file(stage)
        stage.replace(path)
    except BaseException:
        stage.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


@contextmanager
def published_directory(path: Path, *, verify: Callable[[Path], None] = lambda _: None) -> Iterator[Path]:
    """Yields an empty stage; on a clean exit, verifies, syncs and renames it to ``path``.

    If ``path`` already exists (somebody published the same content first) the stage is dropped.
    On an exception nothing appears at ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stage = _stage_beside(path)
    stage.mkdir(mode=0o700)
    try:
        yield stage
        verify(stage)
        _sync_tree(stage)
        if path.exists():
            shutil.rmtree(stage)
        else:
            stage.rename(path)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise
    sync_directory(path.parent)


def publish_file(source: Path, path: Path, *, mode: int = 0o400) -> None:
    """Moves a finished file on the same volume to ``path``, synced; an equal name is kept as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        source.unlink()
        return
    _sync_file(source)
    source.chmod(mode)
    source.rename(path)
    sync_directory(path.parent)


def switch_symlink(link: Path, target: str) -> None:
    """Points ``link`` at ``target`` (relative or absolute) in one rename. What stood at ``link`` is replaced."""
    link.parent.mkdir(parents=True, exist_ok=True)
    stage = _stage_beside(link)
    stage.symlink_to(target)
    try:
        stage.replace(link)
    except BaseException:
        stage.unlink(missing_ok=True)
        raise
    sync_directory(link.parent)


def remove_directory(path: Path) -> None:
    """Deletes by rename first, so that a crash never leaves half a directory under its name."""
    if not path.exists():
        return
    doomed = _stage_beside(path)
    path.rename(doomed)
    sync_directory(path.parent)
    shutil.rmtree(doomed)


def sweep_stages(directory: Path) -> int:
    """Removes what an interrupted publication left directly inside ``directory``; returns how many."""
    if not directory.is_dir():
        return 0
    orphans = [entry for entry in directory.iterdir() if entry.name.startswith(STAGE_PREFIX)]
    for orphan in orphans:
        if orphan.is_dir() and not orphan.is_symlink():
            shutil.rmtree(orphan)
        else:
            orphan.unlink()
    return len(orphans)


def sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stage_beside(path: Path) -> Path:
    return path.parent / f"{STAGE_PREFIX}{path.name}-{uuid4().hex[:8]}"


def _sync_tree(directory: Path) -> None:
    for folder, _, files in os.walk(directory, topdown=False):
        for name in files:
            _sync_file(Path(folder) / name)
        sync_directory(Path(folder))


def _sync_file(path: Path) -> None:
    if path.is_symlink():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _sync_descriptor(descriptor)
    finally:
        os.close(descriptor)


def _sync_descriptor(descriptor: int) -> None:
    """On macOS fsync stops at the drive's cache; F_FULLFSYNC goes through (fsync(2) there)."""
    if sys.platform == "darwin":
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)
