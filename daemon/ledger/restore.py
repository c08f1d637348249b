"""A damaged or lost ledger is set aside and made again: the newest good snapshot, then what the releases tell.

A run's number in a release's metadata must never be given out again, or that release would be taken
for the new run's. So every run that has a release is entered, whatever the snapshot knew of it. Nor are the numbers
that lost runs and jobs left on the disk: a stage marked as theirs would be kept, and its size counted, as another's.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from config.paths import Home
from daemon.ledger import snapshots
from daemon.ledger.books import Books, open_books
from daemon.ledger.database import Damaged, Newer, is_behind
from daemon.ledger.jobs import Left
from daemon.ledger.snapshots import Snapshot
from jobs.domain.endings import Ending
from jobs.domain.errors import BadInput
from jobs.publish import make_directory, staged_file, sync_directory, write_file
from jobs.releases import Release, Releases
from jobs.workshop import RUN_MARK

_PARTS = ("", "-wal", "-shm")


class Restored(Struct, frozen=True, kw_only=True):
    """What was lost: all that was written after ``since`` (none: everything) and until ``until`` (none: unknown)."""

    since: datetime | None
    until: datetime | None
    kept: Path | None
    runs: int

    def told(self) -> str:
        """For the alert and for a person."""
        since = "the beginning" if self.since is None else _shown(self.since)
        until = "now" if self.until is None else _shown(self.until)
        told = f"Jobs, results and alerts written between {since} and {until} are lost. Your search is untouched"
        told += f"; {self.runs} runs were entered again from their releases." if self.runs else "."
        return told + (f" The old file is kept in {self.kept}." if self.kept is not None else "")


def open_or_restore(home: Home, releases: Releases, now: datetime) -> tuple[Books, Restored | None]:
    """The ledger, opened to write; restored first if it is damaged, or lost while there is anything that it told of.

    A newer version's is restored too where that version was gone back from (``let_go_back``). Only for the holder of
    the home's lock. An interrupted restoration is done again. Raises BadInput, with nothing changed, for another
    ledger of a newer version or one that cannot be opened.
    """
    books, restored = _opened_or_restored(home, releases, now)
    home.way_back.unlink(missing_ok=True)
    return books, restored


def _opened_or_restored(home: Home, releases: Releases, now: datetime) -> tuple[Books, Restored | None]:
    lost = _is_lost(home.ledger) and _has_a_past(home, releases)
    if not lost and not _marker(home).exists():
        try:
            return open_keeping_a_copy(home, now), None
        except Damaged:
            pass
        except Newer:
            if not home.way_back.exists() or snapshots.newest_good(home.snapshots) is None:
                raise
    return restore(home, releases, snapshots.newest_good(home.snapshots), now)


def open_keeping_a_copy(home: Home, now: datetime) -> Books:
    """As open_books. A ledger that is about to be brought forward is copied first: the version before cannot read the
    result."""
    if is_behind(home.ledger):
        snapshots.take(home.ledger, home.snapshots, at=now)
    return open_books(home.ledger)


def let_go_back(home: Home) -> None:
    """The next version that opens the ledger may restore a copy it can read: what was written since is set aside."""
    write_file(home.way_back, b"")


def restore(home: Home, releases: Releases, snapshot: Snapshot | None, now: datetime) -> tuple[Books, Restored]:
    """Puts ``snapshot`` (none: an empty ledger) in the ledger's place and enters the runs that have releases.

    What stood there is kept under ``damaged/``. The alert about it is in the ledger when this returns.
    """
    until = _last_write(home.ledger)
    write_file(_marker(home), b"")
    kept = _set_aside(home, now)
    if snapshot is not None:
        with staged_file(home.ledger) as stage:
            shutil.copyfile(snapshot.path, stage)
            stage.chmod(0o600)
    books = open_books(home.ledger)
    since = None if snapshot is None else snapshot.taken_at
    restored = Restored(since=since, until=until, kept=kept, runs=_enter_runs(books, releases, now))
    _skip_numbers(books, "run", _runs_on_disk(home))
    _skip_numbers(books, "job", _jobs_on_disk(home))
    books.alerts.post("ledger-restored", "The ledger was restored", restored.told(), now)
    _marker(home).unlink()
    sync_directory(home.root)
    return books, restored


def _set_aside(home: Home, now: datetime) -> Path | None:
    """Moves the ledger with its log and memory files; none if there was nothing. Its log must go first of all:
    beside another database it would be taken for that one's."""
    present = [path for part in reversed(_PARTS) if (path := Path(f"{home.ledger}{part}")).exists()]
    if not present:
        return None
    folder = home.damaged / now.astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    make_directory(folder)
    for path in present:
        path.rename(folder / path.name)
    sync_directory(folder)
    sync_directory(home.root)
    return folder


def _enter_runs(books: Books, releases: Releases, now: datetime) -> int:
    """Every release's run as ended; returns how many the ledger did not know to have ended."""
    with books.database.transaction():
        return sum(_enter_run(books, release, now) for release in _readable(releases))


def _enter_run(books: Books, release: Release, now: datetime) -> bool:
    metadata = release.metadata
    if metadata.run is None or metadata.target is None:
        return False
    taken_back = release.state in ("rolled-back", "trial")  # start-up ends a trial by going back
    outcome = "rolled-back" if taken_back else "promoted"
    reason = f"{metadata.name} tells so; the ledger was restored"
    with books.database.transaction() as connection:
        connection.execute(
            "INSERT INTO run (id, target, cause, state, outcome, reason, created_at, ended_at)"
            " VALUES (?, ?, 'known from its release', 'done', ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
            (metadata.run, metadata.target, outcome, reason, metadata.created_at.isoformat(), now.isoformat()),
        )
        entered = bool(connection.execute("SELECT changes()").fetchone()[0])
        if books.jobs.run(metadata.run).state == "active" and release.state != "trial":
            books.jobs.end_run(metadata.run, "done", outcome, reason, now)
            _drop_jobs(books, metadata.run, reason, now)
            entered = True
    last = books.knowledge.moment(f"last-run:{metadata.target}")
    if last is None or last < metadata.created_at:
        books.knowledge.set_fact(f"last-run:{metadata.target}", metadata.created_at.isoformat())
    return entered


def _skip_numbers(books: Books, table: str, taken: Sequence[int]) -> None:
    """The next row of ``table`` gets a number above those taken."""
    with books.database.transaction() as connection:
        connection.execute(
            "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, 0"
            " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)",
            (table,),
        )
        highest = max(taken, default=0)
        connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (highest, table))


def _has_a_past(home: Home, releases: Releases) -> bool:
    """Whether this is no first start: a copy, or a number of a run or a job that must not be given again."""
    in_releases = any(release.metadata.run is not None for release in _readable(releases))
    copied = any(snapshots.listed(home.snapshots))
    return in_releases or copied or bool(_runs_on_disk(home)) or bool(_jobs_on_disk(home))


def _runs_on_disk(home: Home) -> list[int]:
    return _numbers(home.stages.glob(f"*/{RUN_MARK}*"), RUN_MARK)


def _jobs_on_disk(home: Home) -> list[int]:
    return _numbers((home.logs / "jobs").glob("*.log"), "")


def _numbers(paths: Iterable[Path], prefix: str) -> list[int]:
    names = (path.stem.removeprefix(prefix) for path in paths)
    return [int(name) for name in names if name.isdecimal()]


def _drop_jobs(books: Books, run: int, reason: str, now: datetime) -> None:
    """The jobs of a run that has ended, as it turned out: nothing of it may be done a second time."""
    for job in books.jobs.of_run(run):
        if job.state == "running":
            books.jobs.settle(job, Left(ending=Ending.CANCELLED, reason=reason), now)
        else:
            books.jobs.move_waiting(job.id, ("queued", "paused", "quarantined"), "cancelled", now)


def _readable(releases: Releases) -> list[Release]:
    found = []
    for name in releases.names():
        try:
            found.append(releases.release(name))
        except BadInput:
            continue
    return found


def _is_lost(ledger: Path) -> bool:
    return not ledger.exists() or ledger.stat().st_size == 0


def _last_write(ledger: Path) -> datetime | None:
    times = [path.stat().st_mtime for part in _PARTS[:2] if (path := Path(f"{ledger}{part}")).exists()]
    return datetime.fromtimestamp(max(times), UTC) if times else None


def _marker(home: Home) -> Path:
    return home.root / "ledger.restoring"


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
