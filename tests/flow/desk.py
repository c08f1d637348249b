"""A watcher at its desk: a folder of notes with real events, and a ledger that it tells."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.load import load_settings
from config.settings import WatchSettings
from daemon.debounce import Moment
from daemon.ledger.books import Books, open_books
from daemon.watch import Watcher, moment
from daemon.watching import LastScan, Watching
from jobs.adapters.markdown_folders import scan
from jobs.domain.corpus import Collection

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="inotify")


class Desk:
    """A folder of notes, a watcher and a ledger."""

    def __init__(self, folder: Path, *, canary_every: float = 3600.0, scan_every: float = 3600.0) -> None:
        self.notes = folder / "notes"
        self.notes.mkdir()
        self.write("one", "two", "three")
        self.books: Books = open_books(folder / "home" / "ledger.sqlite")
        self.offset = Moment(monotonic=0.0, wall=0.0)
        self.changes = 0
        self.fault: Exception | None = None
        self.collections = [Collection(name="notes", path=str(self.notes))]
        defaults = load_settings(folder / "no.toml").watch
        settings = WatchSettings(
            quiet=0.2,
            at_most=2.0,
            scan_every=scan_every,
            poll_every=1.0,
            canary_every=canary_every,
            largest_document=defaults.largest_document,
            excluded_folders=[],
        )
        self.told: Exception | None = None
        self._settings = settings
        self.watcher = self.new_watcher()

    def new_watcher(self) -> Watcher:
        return Watcher(self.books, self._settings, self._collections, self._scan, self._changed, self.clock)

    def clock(self) -> Moment:
        real = moment()
        return Moment(monotonic=real.monotonic + self.offset.monotonic, wall=real.wall + self.offset.wall)

    def write(self, *names: str) -> None:
        for name in names:
            (self.notes / f"{name}.md").write_text(f"# {name}\n\nText of {name}.\n")

    def known(self) -> set[str]:
        return {document.path.removesuffix(".md") for document in self.books.knowledge.documents()}

    def shas(self) -> dict[str, str]:
        return {document.path: known.sha256 for document, known in self.books.knowledge.documents().items()}

    def last(self) -> LastScan:
        found = self.books.knowledge.value("last-scan", LastScan)
        assert found is not None
        return found

    def watching(self) -> Watching:
        return self.books.knowledge.value("watching", Watching) or Watching()

    def sight(self) -> str | None:
        return self.watching().collections.get("notes")

    def alerts(self) -> list[str]:
        return [alert.title for alert in self.books.alerts.unread()]

    def starts(self) -> None:
        self.watcher.start()
        until(lambda: self.changes > 0 and self.sight() is not None)

    def _collections(self) -> list[Collection]:
        return self.collections

    def _scan(self, collections: Any, known: Any) -> Any:
        if self.fault is not None:
            raise self.fault
        return scan(collections, known, largest=5_000_000, now_ns=time.time_ns())

    def _changed(self) -> None:
        if self.told is not None:
            raise self.told
        self.changes += 1


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
