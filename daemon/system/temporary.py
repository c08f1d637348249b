"""Short-lived folders of this user alone, outside the home because a socket's path must be short.

Each is locked while its process lives: what a killed one left is told from what is in use, and swept at a start.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.locks import is_held, locked

PREFIX = "iaip-d-"
SECONDS_TO_LOCK = 60.0  # more than lies between making a folder and locking it


@contextmanager
def temporary_folder(place: str | None = None) -> Iterator[Path]:
    """In the system's temporary folder, if no ``place`` is named; its path is without links."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place)).resolve()
    try:
        with locked(folder, of="this folder"):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep_temporary(places: tuple[str, ...] = ("/tmp",)) -> int:  # noqa: S108 - only folders of ours are touched
    """Removes what killed processes left there and in the system's temporary folder; returns how much."""
    before, swept = time.time() - SECONDS_TO_LOCK, 0
    for place in dict.fromkeys((tempfile.gettempdir(), *places)):
        for folder in Path(place).glob(f"{PREFIX}*"):
            if _is_ours(folder, before) and not is_held(folder):
                shutil.rmtree(folder, ignore_errors=True)
                swept += 1
    return swept


def _is_ours(folder: Path, before: float) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return folder.is_dir() and not folder.is_symlink() and found.st_uid == os.getuid() and found.st_mtime < before
