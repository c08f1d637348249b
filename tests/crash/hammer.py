"""Readers that search without pause while releases are switched under them.

    python -m tests.crash.hammer RELEASES        one reader, until its standard input closes

Each round of a reader resolves ``current`` once, as a reader of ours does, takes the configuration, the
metadata and a search in the index from what it found, and compares: all three bear the name of one
release. The same three are then read each through ``current``, as QMD opens them: there a switch may
come between, which is counted but is no fault of the switch.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from config.paths import QmdFiles
from jobs.adapters.qmd_config import read_models, with_collections_of
from jobs.adoption import adopt
from jobs.domain.artifacts import LiveModel, ReleaseMetadata
from jobs.release_publishing import publish_release
from jobs.releases import METADATA, Releases

NOTES = 300
NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Tally(Struct, frozen=True, kw_only=True):
    """What readers met. ``mixed``: answers of more than one release; ``crossed``: the same, opened as QMD opens."""

    reads: int = 0
    errors: int = 0
    mixed: int = 0
    crossed: int = 0
    seen: tuple[str, ...] = ()
    slowest: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            reads=self.reads + other.reads,
            errors=self.errors + other.errors,
            mixed=self.mixed + other.mixed,
            crossed=self.crossed + other.crossed,
            seen=tuple(sorted({*self.seen, *other.seen})),
            slowest=max(self.slowest, other.slowest),
        )


class Hammered(Struct, frozen=True, kw_only=True):
    tally: Tally
    switches: int
    slowest_switch: float


def hammer(folder: Path, readers: int, switches: int) -> Hammered:
    """``switches`` switches and rollbacks between three releases, with ``readers`` processes searching."""
    releases = prepared(folder)
    command = [sys.executable, "-m", "tests.crash.hammer", str(releases.root)]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(readers)]
    try:
        for reader in running:
            assert reader.stdout is not None and reader.stdout.readline() == b"reading\n"
        slowest = max(_timed_switch(releases, number) for number in range(switches))
    finally:
        told = [reader.communicate()[0] for reader in running]
    tally = sum((msgspec.json.decode(text, type=Tally) for text in told), Tally())
    return Hammered(tally=tally, switches=switches, slowest_switch=slowest)


def _timed_switch(releases: Releases, number: int) -> float:
    began = time.monotonic()
    before = releases.live()
    match number % 4:
        case 0:
            releases.roll_back()
        case 1:
            releases.switch("v2")
        case 2:
            releases.take_back("v2", "found unhealthy")
        case _:
            releases.roll_back("v2")
    assert releases.live() != before
    took = time.monotonic() - began
    time.sleep(0.02)
    return took


def prepared(folder: Path) -> Releases:
    """v0, v1 and v2, each with an index, a model and a configuration that say whose they are; v2 is live."""
    files = QmdFiles(config=folder / "qmd" / "index.yml", index=folder / "cache" / "index.sqlite")
    for path in (files.config, files.index):
        path.parent.mkdir(parents=True)
    files.config.write_text("collections:\n  notes:\n    path: /notes\nmodels:\n  embed: hf:none/v0\n", "utf-8")
    _write_index(files.index, "v0")
    releases = Releases(folder / "releases", with_collections_of, lambda _: True)
    adopt(releases, files, NOW, {})
    for name in ("v1", "v2"):
        gguf = releases.models / f"{name}.gguf"
        gguf.write_bytes(name.encode() * 100_000)
        digest = sha256(gguf.read_bytes()).hexdigest()
        targets = {"embedding": LiveModel(base="small", gguf=str(gguf), sha256=digest)}
        text = f"collections: {{}}\nmodels:\n  embed: {gguf}\n"
        metadata = ReleaseMetadata(name=name, created_at=NOW, targets=targets)
        publish_release(releases, metadata, text, lambda path, name=name: _write_index(path, name))  # type: ignore[misc]
        releases.switch(name)
        releases.confirm(name)
    return releases


def _write_index(path: Path, name: str) -> None:
    with closing(sqlite3.connect(path)) as index:
        index.execute("PRAGMA journal_mode=WAL")
        index.execute("CREATE VIRTUAL TABLE documents USING fts5(body, release UNINDEXED)")
        rows = [(f"note {number} about the canoe at bay {number % 7}", name) for number in range(NOTES)]
        index.executemany("INSERT INTO documents VALUES (?, ?)", rows)
        index.commit()


def whose(metadata: Path, configuration: Path, index: Path) -> set[str]:
    """The releases that three files, opened one after the other, belong to."""
    return {msgspec.json.decode(metadata.read_bytes(), type=ReleaseMetadata).name, *asked(index, configuration)}


def asked(index: Path, configuration: Path) -> set[str]:
    """As QMD opens them: the index, then the configuration."""
    with closing(sqlite3.connect(f"{index.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)) as database:
        sql = "SELECT release FROM documents WHERE documents MATCH 'canoe AND bay' ORDER BY rank LIMIT 10"
        answers = [str(row[0]) for row in database.execute(sql)]
    assert len(answers) == 10
    model = read_models(configuration).embed or ""
    return {*answers, Path(model).stem}


def read(root: Path) -> Tally:
    """One round."""
    releases = Releases(root, with_collections_of, lambda _: True)
    began = time.monotonic()
    try:
        directory = releases.live_directory()
        assert directory is not None
        names = whose(directory / METADATA, directory / "qmd" / "index.yml", directory / "index" / "index.sqlite")
        took = time.monotonic() - began
        through = releases.current
        crossed = asked(through / "index" / "index.sqlite", through / "qmd" / "index.yml")
    except Exception as error:  # noqa: BLE001 - whatever a reader meets is what is counted
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return Tally(reads=1, errors=1)
    return Tally(
        reads=1, mixed=int(len(names) > 1), crossed=int(len(crossed) > 1), seen=tuple(sorted(names)), slowest=took
    )


def _wait_for_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def main() -> None:
    ended = threading.Event()
    threading.Thread(target=_wait_for_end, args=(ended,), daemon=True).start()
    root, tally = Path(sys.argv[1]), Tally()
    print("reading", flush=True)
    while not ended.is_set():
        tally += read(root)
    print(msgspec.json.encode(tally).decode())


if __name__ == "__main__":
    main()
