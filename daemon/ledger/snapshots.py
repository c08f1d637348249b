"""Copies of the ledger: whole, checked, numbered; the newest few are kept."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec import Struct

from daemon.ledger.database import Damaged, check, translated
from daemon.ledger.schema import MIGRATIONS
from jobs.domain.errors import BadInput
from jobs.publish import STAGE_PREFIX, make_directory, publish_file, sweep_stages

KEPT = 7
EVERY = timedelta(days=1)
TAKEN_AT = "snapshot-at"
"""The fact that says, in each copy, when it was made, and in the ledger, when its newest one was."""
OLD = timedelta(days=2)

_NAME = re.compile(r"(\d{6})\.sqlite")


class Snapshot(Struct, frozen=True, kw_only=True):
    """``taken_at`` is none for one that cannot be read; ``problem`` then says why it is of no use."""

    path: Path
    number: int
    bytes: int
    taken_at: datetime | None
    problem: str | None = None


def due(last: datetime | None, now: datetime) -> bool:
    """Whether a day has passed. A last one in the future was dated by a wrong clock: time for another."""
    return last is None or not timedelta(0) <= now - last < EVERY


def is_old(last: datetime | None, now: datetime) -> bool:
    """Whether copies have failed for a while: a person should know. Before the first one there is nothing to tell."""
    return last is not None and now - last >= OLD


def take(ledger: Path, directory: Path, *, at: datetime) -> Snapshot:
    """A checked copy of ``ledger`` as it stands, also while it is written. Lets the oldest copies go.

    ``at`` is noted in the copy as TAKEN_AT. Raises Damaged if the ledger or the copy of it is not whole, OutOfReach or
    OSError for want of room and the like: all with no copy made.
    """
    make_directory(directory)
    sweep_stages(directory)
    numbers = [_number(path) for path in _paths(directory)]
    path = directory / f"{max(numbers, default=0) + 1:06d}.sqlite"
    stage = directory / f"{STAGE_PREFIX}{path.name}"
    try:
        _copy(ledger, stage, at)
        publish_file(stage, path)
    except BaseException:
        with suppress(OSError):  # a full or dying disk is told by what is under way; a sweep takes what stays
            stage.unlink(missing_ok=True)
        raise
    for old in _paths(directory)[:-KEPT]:
        old.unlink()
    return _examined(path)


def _copy(ledger: Path, stage: Path, at: datetime) -> None:
    with translated(ledger), _read_only(ledger) as connection:
        check(connection, ledger, indexes=True)
        connection.execute("VACUUM INTO ?", (str(stage),))
    with translated(stage), closing(sqlite3.connect(stage, isolation_level=None)) as copy:
        copy.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (TAKEN_AT, at.isoformat()))
    made = _examined(stage)
    if made.problem is not None:
        raise Damaged(f"a copy of the ledger is not whole ({made.problem})", remedy="look at the disk; try again")


def listed(directory: Path) -> list[Snapshot]:
    """Newest first, each examined."""
    return [_examined(path) for path in reversed(_paths(directory))]


def newest_good(directory: Path) -> Snapshot | None:
    return next((found for found in map(_examined, reversed(_paths(directory))) if found.problem is None), None)


def _examined(path: Path) -> Snapshot:
    number = _number(path)
    size = path.stat().st_size
    try:
        with translated(path), _read_only(path, immutable=True) as connection:
            check(connection, path)
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if not 1 <= version <= len(MIGRATIONS):
                raise BadInput(f"schema {version} is not known here", remedy="")
            row = connection.execute("SELECT value FROM fact WHERE key = ?", (TAKEN_AT,)).fetchone()
    except (BadInput, sqlite3.Error) as error:
        return Snapshot(path=path, number=number, bytes=size, taken_at=None, problem=str(error))
    return Snapshot(path=path, number=number, bytes=size, taken_at=_moment(row[0] if row else None, path))


def _moment(told: str | None, path: Path) -> datetime:
    return datetime.fromisoformat(told) if told else datetime.fromtimestamp(path.stat().st_mtime, UTC)


@contextmanager
def _read_only(path: Path, *, immutable: bool = False) -> Iterator[sqlite3.Connection]:
    address = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if immutable else ''}"
    with closing(sqlite3.connect(address, uri=True, timeout=10.0, isolation_level=None)) as connection:
        yield connection


def _number(path: Path) -> int:
    match = _NAME.fullmatch(path.name.removeprefix(STAGE_PREFIX))
    assert match is not None, path.name
    return int(match[1])


def _paths(directory: Path) -> list[Path]:
    """Oldest first: by number, because clocks jump."""
    if not directory.is_dir():
        return []
    return sorted((entry for entry in directory.iterdir() if _NAME.fullmatch(entry.name)), key=_number)
