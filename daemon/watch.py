"""Events are hints, scans are the truth: watchdog marks the knowledge base dirty, a scan finds what changed."""

from __future__ import annotations

import sqlite3
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

import structlog
from msgspec.structs import replace

from config.settings import WatchSettings
from daemon.debounce import Cause, Dirty, Moment, due_in, has_slept, rest_after, retry_after, scan_due
from daemon.ledger.books import Books
from daemon.lookout import Lookout
from daemon.system.folders import probe_folder
from daemon.watching import BY_SCANS, LastScan, News, Watching, closures, doubts, failed_again, news
from jobs.domain.corpus import Collection, DocumentId
from jobs.domain.deletions import Deletions, Folder, judge_deletions
from jobs.domain.errors import IaipError
from jobs.domain.scan import Known, Scan, Seen

log = structlog.get_logger()

POLL_SECONDS = 0.5
LEAST_SECONDS = 0.02
STOP_SECONDS = 30.0

ScanFolders = Callable[[Sequence[Collection], Mapping[DocumentId, Known]], Scan]


def moment() -> Moment:
    return Moment(monotonic=time.monotonic(), wall=time.time())


class Watcher:
    """One thread. ``on_change`` is called after the first scan and after every one that found a difference.

    Facts in the ledger: ``last-scan`` (LastScan), ``watching`` (Watching), ``folders`` (Folder by collection).
    """

    def __init__(
        self,
        books: Books,
        settings: WatchSettings,
        collections: Callable[[], Sequence[Collection]],
        scan: ScanFolders,
        on_change: Callable[[], None],
        clock: Callable[[], Moment] = moment,
    ) -> None:
        self._books = books
        self._settings = settings
        self._collections = collections
        self._scan = scan
        self._on_change = on_change
        self._dirty: Dirty | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._lookout = Lookout(self.mark_dirty, settings.canary_every)
        self._owed: Cause | None = "start"
        self._clock = clock
        self._moment = clock()
        self._last_full = 0.0
        self._not_before = 0.0
        self._watched: Sequence[Collection] = ()
        self._failing = Watching()
        self._told: Watching | None = None
        self._unsaid = True  # a change may have been recorded just before the last daemon ended

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Gives up on a thread that hangs in a dead network folder; nothing of a scan is kept until its end."""
        self._stop.set()
        self._thread.join(STOP_SECONDS)
        if not self._thread.is_alive():
            self._lookout.close()

    def mark_dirty(self) -> None:
        now = self._clock().monotonic
        with self._lock:
            self._dirty = self._dirty.touched(now) if self._dirty else Dirty(first=now, last=now)

    def _run(self) -> None:
        while not self._stop.wait(self._pause()):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - the boundary of this thread: one bad scan must not end watching
                self._failed(error)

    def _pause(self) -> float:
        """Until the next look: at the latest when a scan is due."""
        now = self._clock().monotonic
        with self._lock:
            due = due_in(self._dirty, now=now, quiet=self._settings.quiet, at_most=self._settings.at_most)
        return min(POLL_SECONDS, max(due, self._not_before - now, LEAST_SECONDS))

    def look(self) -> None:
        """One round: what happened to the clocks and the folders, and a scan if one is due."""
        before, self._moment = self._moment, self._clock()
        now = self._moment.monotonic
        if has_slept(before, self._moment):
            self._owed = "wake"
            self._lookout.renew(now)
        if now < self._not_before:
            return
        self._owed = self._lookout.check(now) or self._owed
        if (cause := self._due(now)) is not None:
            self.scan_now(cause)
        self._tell()

    def scan_now(self, cause: Cause) -> LastScan:
        """A full scan, in the calling thread."""
        began = self._clock().monotonic
        self._owed = cause  # until it has succeeded
        with self._lock:
            self._dirty = None
        self._watched = self._collections()
        self._lookout.cover(frozenset(collection.path for collection in self._watched), began)
        known = self._books.knowledge.documents()
        found = self._scan(self._watched, known)
        deletions = judge_deletions(known, found, self._remembered(), self._now())
        seen = [document for document in found.documents if known.get(document.id) != document.known]
        edited = sum(_text_changed(document, known) for document in seen)
        last = LastScan(
            at=self._now(),
            documents=len(found.documents),
            changed=edited,
            removed=len(deletions.believed),
            seconds=self._clock().monotonic - began,
            left_out=found.counts(),
            unreadable_folders=len(found.unreadable_folders),
            cause=cause,
            doubted=deletions.doubted,
            closed=self._closed(found),
        )
        self._unsaid = self._unsaid or bool(edited or deletions.believed)
        self._record(seen, deletions, last)
        if self._unsaid:
            log.info("knowledge base changed", changed=edited, removed=last.removed, documents=last.documents)
            self._on_change()
        self._unsaid = False
        self._ended(began, found)
        return last

    def _due(self, now: float) -> Cause | None:
        if self._owed is not None:
            return self._owed
        if scan_due(self._dirty, now=now, quiet=self._settings.quiet, at_most=self._settings.at_most):
            return "change"
        by_scans = any(self._lookout.sight(collection.path) in BY_SCANS for collection in self._watched)
        every = min(self._settings.scan_every, self._settings.poll_every if by_scans else self._settings.scan_every)
        return "time" if now - self._last_full >= every else None

    def _record(self, seen: Sequence[Seen], deletions: Deletions, last: LastScan) -> None:
        knowledge = self._books.knowledge
        before = knowledge.value("last-scan", LastScan)
        with self._books.database.transaction():
            knowledge.apply(seen, deletions.believed)
            knowledge.set_value("folders", deletions.folders)
            knowledge.set_value("last-scan", last)
            self._post((*closures(before, last), *doubts(before, last)))

    def _closed(self, found: Scan) -> dict[str, int]:
        """A collection's own folder may only be missing: that one is asked again."""
        roots = {folder.collection for folder in found.unreadable_folders if not folder.path}
        places = {collection.name: collection.path for collection in self._watched}
        missing = {name for name in roots if probe_folder(places[name]) == "missing"}
        shut = (folder for folder in found.unreadable_folders if folder.path or folder.collection not in missing)
        return dict(Counter(folder.collection for folder in shut))

    def _remembered(self) -> dict[str, Folder]:
        return self._books.knowledge.value("folders", dict[str, Folder]) or {}

    def _ended(self, began: float, found: Scan) -> None:
        now = self._clock().monotonic
        self._owed = None
        self._last_full = now
        self._not_before = now + rest_after(now - began)
        self._failing = Watching()
        if "being-written" in found.counts():
            self.mark_dirty()

    def _failed(self, error: Exception) -> None:
        self._failing = failed_again(self._failing, error)
        self._owed = self._owed or "retry"
        self._not_before = self._clock().monotonic + retry_after(self._failing.failures, self._settings.scan_every)
        at = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-3:]]
        failing = self._failing
        log.error("scan failed", error=failing.failure, at=at, failures=failing.failures)  # its message may name a note
        try:
            self._tell()
        except (sqlite3.Error, IaipError) as again:  # a ledger that cannot be written may be why it failed
            log.error("the failure could not be recorded", error=type(again).__name__)

    def _tell(self) -> None:
        """Records how well the folders are watched, whenever that changed."""
        now = replace(
            self._failing,
            collections={collection.name: self._lookout.sight(collection.path) for collection in self._watched},
            missed=self._lookout.missed,
        )
        if now == self._told:
            return
        knowledge = self._books.knowledge
        before = self._told or knowledge.value("watching", Watching) or Watching()
        with self._books.database.transaction():
            knowledge.set_value("watching", now)
            self._post(news(before, now))
        self._told = now

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock().wall, UTC)

    def _post(self, alerts: Iterable[News]) -> None:
        for alert in alerts:
            self._books.alerts.post(alert.kind, alert.title, alert.body, self._now(), about=alert.about)


def _text_changed(seen: Seen, known: Mapping[DocumentId, Known]) -> bool:
    before = known.get(seen.id)
    return before is None or before.sha256 != seen.known.sha256
