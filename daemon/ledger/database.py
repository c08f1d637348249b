"""Opens the ledger: WAL, every commit synced, one transaction at a time, one writer.

SQLite before 3.51.3 can corrupt a WAL when two connections write or checkpoint at the same moment
(the "WAL-reset" bug, sqlite.org/wal.html). Most systems' Python has an older one, so there is
exactly one connection that writes or checkpoints: the daemon's. Everybody else reads with
``mode=ro``, which does neither, and asks through ``daemon.spool``.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from daemon.ledger.schema import MIGRATIONS
from jobs.domain.errors import BadInput
from jobs.publish import make_directory

PATIENCE_SECONDS = 10.0
START = "`iaipctl start`, or `iaipd` by hand"
"""What to type for a daemon: an agent's own start is refused while one started by hand serves the home."""
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_OUT_OF_REACH = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
)
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "fullfsync=1",  # macOS: through the drive's cache; elsewhere without effect
    "checkpoint_fullfsync=1",
)


class Damaged(BadInput):
    """The ledger's content is corrupt, or it is no ledger at all."""


class Newer(BadInput):
    """The ledger was brought forward by a version that knows more of it than this one."""


class OutOfReach(BadInput):
    """The ledger cannot be read or written just now: no room, a disk that fails or is read-only, no permission."""


class Database:
    """One connection shared by the threads of a process; every use holds the lock.

    Raises Damaged when SQLite finds the file corrupt, whatever was asked, in whatever thread; ``on_damage`` is told
    before, because many of these threads survive an error.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.RLock()
        self.on_damage: Callable[[Damaged], None] = lambda damage: None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; a transaction inside another is part of it."""
        with self._held(), _all_or_nothing(self._connection):
            yield self._connection

    def rows(self, sql: str, *parameters: object) -> list[sqlite3.Row]:
        with self._held():
            return self._connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, *parameters: object) -> sqlite3.Row | None:
        found = self.rows(sql, *parameters)
        return found[0] if found else None

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def _held(self) -> Iterator[None]:
        try:
            with self._lock, translated(self.path):
                yield
        except Damaged as damage:
            self.on_damage(damage)
            raise


def open_to_write(path: Path) -> Database:
    """Creates ``path`` (mode 0600) or brings it forward, after checking that it is whole.

    An index that disagrees with its table is made anew: nothing is lost by that. Only the process that holds the home's
    lock may call this. Raises Damaged for a corrupt ledger, OutOfReach for one that cannot be opened, Newer or BadInput
    for one of a newer version: all with nothing changed.
    """
    make_directory(path.parent)
    with translated(path):
        _require_sound(path)
        path.touch(mode=0o600)
        connection = _connect(str(path), uri=False)
        try:
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            migrate(connection)
            _mend_indexes(connection, path)
            connection.execute("PRAGMA foreign_keys=1")
        except BaseException:
            connection.close()
            raise
    return Database(path, connection)


def is_behind(path: Path) -> bool:
    """Whether there is a ledger that ``open_to_write`` would bring forward. Raises Damaged for what is no ledger."""
    if not path.exists() or path.with_name(f"{path.name}-journal").exists():  # one that is being made
        return False
    with translated(path), closing(_connect(_to_read(path), uri=True)) as connection:
        return 0 < _version(connection) < len(MIGRATIONS)


def _require_sound(path: Path) -> None:
    """By a reader, because a writer would take the log of a damaged ledger away when it closes."""
    if not path.exists() or path.stat().st_size == 0:
        return
    if path.with_name(f"{path.name}-journal").exists():  # killed before WAL was in force: a writer takes that back
        with closing(_connect(str(path), uri=False)) as connection:
            _version(connection)
    with closing(_connect(_to_read(path), uri=True)) as connection:
        if _version(connection) > len(MIGRATIONS):
            raise _newer(path, connection)
        check(connection, path)


def open_to_read(path: Path) -> Database:
    """The ledger as it is, with the daemon up or down. Never writes and never checkpoints.

    Raises BadInput for a ledger of another version, OutOfReach and Damaged as they say.
    """
    with translated(path):
        connection = _connect(_to_read(path), uri=True)
        try:
            version = _version(connection)
            if version > len(MIGRATIONS):
                raise _newer(path, connection)
            if version < len(MIGRATIONS):
                raise BadInput(
                    f"the ledger {path} was written by an earlier version (schema {version} of {len(MIGRATIONS)})",
                    remedy="`iaipctl restart` (or end the old `iaipd` and start the new): it brings it forward",
                )
        except BaseException:
            connection.close()
            raise
    return Database(path, connection)


def check(connection: sqlite3.Connection, path: Path, *, indexes: bool = False) -> None:
    """Reads the whole file, and compares its indexes with their tables where asked. Raises Damaged with SQLite's first
    finding. Of a ledger of 45 MB it takes 0.05 s, and 0.1 s with ``indexes``."""
    finding = connection.execute(f"PRAGMA {'integrity' if indexes else 'quick'}_check(1)").fetchone()[0]
    if finding != "ok":
        raise _damaged(path, finding)


def _mend_indexes(connection: sqlite3.Connection, path: Path) -> None:
    try:
        check(connection, path, indexes=True)
    except Damaged:
        try:
            connection.execute("REINDEX")
        except sqlite3.IntegrityError as error:  # two rows of which there may be one
            raise _damaged(path, str(error)) from error
        check(connection, path, indexes=True)


def migrate(connection: sqlite3.Connection) -> None:
    """All missing steps in one transaction. Foreign keys are off meanwhile, as rebuilding a table needs it."""
    version = _version(connection)
    if version == len(MIGRATIONS):
        return
    with _all_or_nothing(connection):
        for number, migration in enumerate(MIGRATIONS[version:], start=version + 1):
            for statement in _statements(migration):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={number}")
        assert not connection.execute("PRAGMA foreign_key_check").fetchall()


@contextmanager
def _all_or_nothing(connection: sqlite3.Connection) -> Iterator[None]:
    nested = connection.in_transaction
    if nested:
        yield
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself has rolled back where a commit found no room
            connection.execute("ROLLBACK")
        raise


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """SQLite's words for a damaged or unreachable ledger as ours; its other errors pass unchanged."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # the primary code of an extended one
        if code in _DAMAGE:
            raise _damaged(path, str(error)) from error
        if code in _OUT_OF_REACH:
            raise OutOfReach(
                f"the ledger {path} cannot be opened ({error})",
                remedy="look at its folder: permissions, the disk, free space; nothing was changed",
            ) from error
        raise


def _damaged(path: Path, finding: str) -> Damaged:
    return Damaged(
        f"the ledger {path} is damaged ({finding})",
        remedy=f"{START}: it restores the newest good snapshot and says what was lost; releases are untouched",
    )


def _newer(path: Path, connection: sqlite3.Connection) -> Newer:
    return Newer(
        f"the ledger {path} was written by a newer version (schema {_version(connection)}, this one knows"
        f" {len(MIGRATIONS)})",
        remedy="upgrade this program; nothing was changed",
    )


def _connect(address: str, *, uri: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(
        address, timeout=PATIENCE_SECONDS, isolation_level=None, check_same_thread=False, uri=uri
    )
    connection.row_factory = sqlite3.Row
    return connection


def _to_read(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    """Single statements, because executescript would commit the transaction it runs in."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
