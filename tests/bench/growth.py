"""What grows with the notes and with the ledger, and what must not."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import psutil
from msgspec import Struct

from config.load import load_settings
from config.paths import Home
from daemon.ledger.books import Books, open_books
from jobs.adapters.markdown_folders import MarkdownFolders, scan
from jobs.dataset.refresh import Inputs, refresh
from jobs.domain.artifacts import Progress
from jobs.domain.corpus import Collection, DocumentId
from jobs.domain.scan import Known
from tests.bench.adopted import adopt
from tests.bench.measure import Row
from tests.house import keys_of

FEW_NOTES, MANY_NOTES = 1_000, 100_000
FEW_ROWS, MANY_ROWS = 1_000, 1_000_000
FLAT = 1.5
STATUS_RUNS = 15
_EVENTS_A_JOB = 100
_REPEATS = 5


class NotesCost(Struct, frozen=True, kw_only=True):
    """Processor seconds of a scan that finds nothing new, and of a scan with its refresh after one note changed; MiB.

    Not by the clock: the longer of two measurements would meet more of what else the machine does.
    """

    notes: int
    scan: float
    refresh: float
    memory: float


def measure(folder: Path) -> list[Row]:
    """``folder`` is scratch space. Both sizes are measured in the same run."""
    few, many = (notes_cost(folder / str(count), count) for count in (FEW_NOTES, MANY_NOTES))
    return [*_notes_rows(few, many), _status_row(folder)]


def _notes_rows(few: NotesCost, many: NotesCost) -> list[Row]:
    """What must look at every note may not cost more a note when there are many."""
    rows = [
        Row(
            name=f"{what}, a note of {many.notes}",
            value=big / many.notes * 1e6,
            unit="µs",
            peer=f"a note of {few.notes}",
            peer_value=small / few.notes * 1e6,
            goal=FLAT,
            better="lower",
        )
        for what, big, small in (
            ("scan that finds nothing new", many.scan, few.scan),
            ("scan and refresh after one change", many.refresh, few.refresh),
        )
    ]
    memory = Row(
        name=f"idle daemon with {many.notes} notes, resident", value=many.memory, unit="MiB", goal=60.0, better="lower"
    )
    grown = msgspec.structs.replace(
        memory,
        name=f"the same beside {few.notes} notes",
        peer=f"{few.notes} notes",
        peer_value=few.memory,
        goal=FLAT,
    )
    return [*rows, memory, grown]


def notes_cost(folder: Path, count: int) -> NotesCost:
    """Builds a home over ``count`` small notes and measures in it."""
    environment = home_over_notes(folder, count)
    home = Home(root=Path(environment["IAIP_HOME"]))
    collections = [Collection(name="notes", path=str(folder / "notes"))]
    known, _, _ = _scan_and_refresh(collections, home, {})
    scans = [_timed_scan(collections, home, known) for _ in range(_REPEATS)]
    changes = []
    for number in range(_REPEATS):
        _write_note(folder / "notes", 0, f"changed {number}")
        known, seconds, regenerated = _scan_and_refresh(collections, home, known)
        assert regenerated == 1
        changes.append(seconds)
    return NotesCost(
        notes=count, scan=min(scans), refresh=min(changes), memory=_idle_memory(environment, home, collections)
    )


def home_over_notes(folder: Path, count: int) -> dict[str, str]:
    for number in range(count):
        _write_note(folder / "notes", number, "as it was")
    return adopt(folder)


def _write_note(place: Path, number: int, word: str) -> None:
    path = place / f"{number % 100:02d}" / f"{number}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# Matter {number}\n\nThe keeper of matter {number} left it {word} by the north shore.\n", "utf-8")


def _timed_scan(collections: Sequence[Collection], home: Home, known: dict[DocumentId, Known]) -> float:
    began = time.process_time()
    _scan(collections, home, known)
    return time.process_time() - began


def _scan(collections: Sequence[Collection], home: Home, known: dict[DocumentId, Known]) -> dict[DocumentId, Known]:
    largest = load_settings(home.config_file).watch.largest_document
    # An hour ahead, so that no note counts as written just now.
    seen = scan(collections, known, largest=largest, now_ns=time.time_ns() + 3600 * 10**9)
    return {document.id: document.known for document in seen.documents}


def _scan_and_refresh(
    collections: Sequence[Collection], home: Home, known: dict[DocumentId, Known]
) -> tuple[dict[DocumentId, Known], float, int]:
    settings = load_settings(home.config_file)
    began = time.process_time()
    found = _scan(collections, home, known)
    corpus = MarkdownFolders(collections, largest=settings.watch.largest_document)
    listing = [(document, entry.sha256) for document, entry in found.items()]
    inputs = Inputs(corpus=corpus, documents=listing, home=home, settings=settings, keys=keys_of(home))
    refreshed = refresh(inputs, lambda done, total: None)
    return found, time.process_time() - began, refreshed.regenerated


def _idle_memory(environment: dict[str, str], home: Home, collections: Sequence[Collection]) -> float:
    """MiB of a daemon that has scanned all notes and rests. The ledger knows the notes before it starts."""
    books = open_books(home.ledger)
    largest = load_settings(home.config_file).watch.largest_document
    seen = scan(collections, {}, largest=largest, now_ns=time.time_ns() + 3600 * 10**9)
    books.knowledge.apply(seen.documents, ())
    daemon = subprocess.Popen([sys.executable, "-m", "daemon"], env=environment, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 300
        while books.knowledge.fact("last-scan") is None:
            assert time.monotonic() < deadline, "the daemon did not scan"
            time.sleep(0.2)
        time.sleep(3.0)
        return psutil.Process(daemon.pid).memory_info().rss / 2**20
    finally:
        daemon.terminate()
        daemon.wait(timeout=60)
        books.database.close()


def _status_row(folder: Path) -> Row:
    """Medians of whole ``iaipctl status`` processes, in turn on a small and on a large ledger."""
    homes = {rows: home_over_notes(folder / f"rows-{rows}", 10) for rows in (FEW_ROWS, MANY_ROWS)}
    for rows, environment in homes.items():
        books = open_books(Home(root=Path(environment["IAIP_HOME"])).ledger)
        fill_ledger(books, rows)
        books.database.close()
    times: dict[int, list[float]] = {rows: [] for rows in homes}
    for _ in range(STATUS_RUNS):
        for rows, environment in homes.items():
            times[rows].append(_status_time(environment))
    return Row(
        name=f"iaipctl status at {MANY_ROWS} ledger rows",
        value=statistics.median(times[MANY_ROWS]) * 1000,
        unit="ms",
        peer=f"at {FEW_ROWS} rows",
        peer_value=statistics.median(times[FEW_ROWS]) * 1000,
        goal=FLAT,
        better="lower",
    )


def _status_time(environment: dict[str, str]) -> float:
    began = time.monotonic()
    command = [sys.executable, "-m", "daemon.cli", "status"]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 3, done.stderr  # the daemon is not running here
    return time.monotonic() - began


def fill_ledger(books: Books, rows: int) -> None:
    """So many rows of runs, jobs and events as years of use leave them, and one alert a run."""
    jobs = rows // (_EVENTS_A_JOB + 1)
    start = datetime(2020, 1, 1, tzinfo=UTC)
    step = Progress(step=25, steps=100, loss=0.5, rate=12.0, unit="pairs", eta=60.0)
    curve = msgspec.json.encode(step).decode()
    with books.database.transaction() as connection:
        for job in range(1, jobs + 1):
            run, at = (job + 5) // 6, (start + timedelta(hours=job)).isoformat()
            if job % 6 == 1:
                connection.execute(
                    "INSERT INTO run (id, target, cause, state, outcome, reason, created_at, ended_at)"
                    " VALUES (?, 'embedding', 'training window', 'done', 'rejected', 'not better', ?, ?)",
                    (run, at, at),
                )
                connection.execute(
                    "INSERT INTO alert (at, kind, title, body, attempted_at) VALUES (?, 'rejected', 't', 'b', ?)",
                    (at, at),
                )
            connection.execute(
                "INSERT INTO job (id, run, stage, target, state, result, created_at, started_at, ended_at)"
                " VALUES (?, ?, 'train', 'embedding', 'done', ?, ?, ?, ?)",
                (job, run, '{"facts": {}}', at, at, at),
            )
            connection.executemany(
                "INSERT INTO event (job, at, kind, data) VALUES (?, ?, 'progress', ?)",
                [(job, at, curve)] * _EVENTS_A_JOB,
            )
