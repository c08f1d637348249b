"""Events are hints, scans are the truth: watchdog marks the knowledge base dirty, a scan finds what changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from config.settings import WatchSettings
from daemon.debounce import Dirty, scan_due
from daemon.ledger.books import Books
from jobs.domain.corpus import Collection, DocumentId
from jobs.domain.scan import Known, Reason, Scan, Seen, gone

log = structlog.get_logger()

POLL_SECONDS = 0.5
IGNORED_EVENTS = {"opened", "closed_no_write"}

ScanFolders = Callable[[Sequence[Collection], Mapping[DocumentId, Known]], Scan]


class LastScan(Struct, frozen=True, kw_only=True):
    """What the last scan saw: shown by ``status``, never read as deletions."""

    at: datetime
    documents: int
    changed: int
    removed: int
    seconds: float
    left_out: dict[Reason, int]
    unreadable_folders: int


class Watcher:
    """One thread. ``on_change`` is called after a scan that found a difference."""

    def __init__(
        self,
        books: Books,
        settings: WatchSettings,
        collections: Callable[[], Sequence[Collection]],
        scan: ScanFolders,
        on_change: Callable[[], None],
    ) -> None:
        self._books = books
        self._settings = settings
        self._collections = collections
        self._scan = scan
        self._on_change = on_change
        self._dirty: Dirty | None = Dirty(first=0.0, last=0.0)  # start-up scans at once
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher")
        self._observer: BaseObserver | None = None
        self._watched: frozenset[str] = frozenset()
        self._last_full = 0.0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._unwatch()

    def mark_dirty(self) -> None:
        now = time.monotonic()
        with self._lock:
            self._dirty = self._dirty.touched(now) if self._dirty else Dirty(first=now, last=now)

    def _run(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            now = time.monotonic()
            due = scan_due(self._dirty, now=now, quiet=self._settings.quiet, at_most=self._settings.at_most)
            if due or now - self._last_full >= self._settings.scan_every:
                self._last_full = now
                try:
                    self.scan_now()
                except Exception:  # the boundary of this thread: one bad scan must not end watching
                    log.exception("scan failed")

    def scan_now(self) -> LastScan:
        """A full scan, in the calling thread."""
        with self._lock:
            self._dirty = None
        began = time.monotonic()
        collections = self._collections()
        self._watch_roots(frozenset(collection.path for collection in collections))
        known = self._books.knowledge.documents()
        scan = self._scan(collections, known)
        seen = [document for document in scan.documents if known.get(document.id) != document.known]
        edited = sum(1 for document in seen if _text_changed(document, known))
        removed = gone(known, scan)
        self._books.knowledge.apply(seen, removed)
        last = LastScan(
            at=datetime.now(UTC),
            documents=len(scan.documents),
            changed=edited,
            removed=len(removed),
            seconds=time.monotonic() - began,
            left_out=scan.counts(),
            unreadable_folders=len(scan.unreadable_folders),
        )
        self._books.knowledge.set_fact("last-scan", msgspec.json.encode(last).decode())
        if edited or removed:
            log.info("knowledge base changed", changed=edited, removed=last.removed, documents=last.documents)
            self._on_change()
        return last

    def _watch_roots(self, roots: frozenset[str]) -> None:
        present = frozenset(root for root in roots if Path(root).is_dir())
        if present == self._watched and self._observer is not None and self._observer.is_alive():
            return
        self._unwatch()
        observer = Observer()
        handler = _Handler(self.mark_dirty)
        for root in sorted(present):
            try:
                observer.schedule(handler, root, recursive=True)
            except OSError as error:  # out of watches, or gone meanwhile: the hourly scan still sees it
                log.warning("folder cannot be watched", reason=error.strerror)
        observer.start()
        self._observer, self._watched = observer, present

    def _unwatch(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None


class _Handler(FileSystemEventHandler):
    def __init__(self, mark: Callable[[], None]) -> None:
        self._mark = mark

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type not in IGNORED_EVENTS:
            self._mark()


def _text_changed(seen: Seen, known: Mapping[DocumentId, Known]) -> bool:
    before = known.get(seen.id)
    return before is None or before.sha256 != seen.known.sha256
