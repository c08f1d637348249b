"""A search index as a SQLite file: opened read-only with a bounded wait, and copied while others write."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from jobs.domain.errors import BadInput, DiskFull, ToolFailed
from jobs.domain.full_disk import is_disk_full

PATIENCE = 10.0
"""Seconds to wait for another program to let go of an index."""
_PAGES_A_STEP = 2048
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def copy_index(source: Path, target: Path, patience: float = PATIENCE) -> None:
    """A consistent copy by SQLite's backup interface, also while QMD writes. No source, no copy.

    A target that is there already is replaced in one transaction, under the eyes of its readers. Raises
    ToolFailed if the source stays locked longer than ``patience`` seconds, DiskFull if there is no room for the
    copy; the target is then as it was.
    """
    if not source.exists():
        return
    replaced = target.exists()
    try:
        with reading(source, patience) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new, pages=_PAGES_A_STEP, progress=_Impatience(source, patience), sleep=0.05)
    except BaseException:
        if not replaced:
            target.unlink(missing_ok=True)
        raise


def check_index(index: Path, patience: float = PATIENCE) -> None:
    """Raises BadInput if SQLite cannot read every page of it, ToolFailed if it stays locked.

    No index is nothing to complain of, and whether a text and its search words agree is not asked.
    """
    if index.exists():
        with reading(index, patience) as database:
            [found] = database.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(" ".join(found.split()))


class _Impatience:
    """Ends a backup that makes no progress: SQLite's own would wait for a lock for ever."""

    def __init__(self, source: Path, patience: float) -> None:
        self._source = source
        self._patience = patience
        self._deadline = time.monotonic() + patience

    def __call__(self, status: int, remaining: int, total: int) -> None:
        if status not in _BUSY:
            self._deadline = time.monotonic() + self._patience
        elif time.monotonic() > self._deadline:
            raise _locked(self._source)


@contextmanager
def reading(index: Path, patience: float) -> Iterator[sqlite3.Connection]:
    """A read-only connection whose errors name the index and what to do."""
    try:
        address = f"{index.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=patience)) as database:
            yield database
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise _locked(index) from error
        if is_disk_full(error):  # where it is copied to: this connection writes nothing
            raise DiskFull from error
        raise BadInput(
            f"{index} is not a usable QMD index ({error})",
            remedy="`qmd status` shows whether QMD can read it; `qmd update` and `qmd embed` make a new one",
        ) from error


def _locked(index: Path) -> ToolFailed:
    return ToolFailed(
        f"{index} is locked by another program",
        remedy="end the other `qmd` that uses it (or wait for it) and try again",
    )
