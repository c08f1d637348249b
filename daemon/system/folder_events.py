"""What the system tells about changes in folders, by watchdog: inotify on Linux, FSEvents on macOS.

Events are hints. They get lost in many ways that nobody is told of, so a canary (a hidden, empty file that is
there for milliseconds) asks whether a folder's events still arrive.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event

from watchdog.events import (
    DirAttribEvent,
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from daemon.system.temporary import temporary_folder

# Hidden, so that QMD never lists it; iCloud Drive leaves out names that end so.
CANARY = ".iaip-canary.nosync"
SECONDS_TO_END = 5.0
# Not asked for: opening and reading, which our own scans do, and a folder's own modification, which always comes
# with the event of what changed in it (and would come with every canary).
_NOTICED: list[type[FileSystemEvent]] = [
    DirAttribEvent,
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
_LIMITS = (errno.ENOSPC, errno.EMFILE)  # inotify(7): no more watches, no more instances


class FolderEvents:
    """Calls ``changed`` from a thread of its own for every change below the folders."""

    def __init__(self, folders: Iterable[str], changed: Callable[[], None]) -> None:
        self._ears: dict[str, _Ear] = {}
        self._limited = False
        self._observer: BaseObserver | None = None
        _hush_watchdog()
        try:
            self._observer = Observer()
            self._observer.start()
        except OSError as error:
            self._limited = error.errno in _LIMITS
            return
        for folder in sorted(folders):
            self._listen(self._observer, folder, changed)
        self._limited = self._limited or _at_the_limit(self._observer)

    @property
    def limited(self) -> bool:
        """The system has no more watches to give: changes in some folder go unnoticed."""
        return self._limited

    def is_alive(self) -> bool:
        """False once a thread has ended, as it does when a watched folder is moved or removed."""
        observer = self._observer
        if observer is None:
            return True  # nothing was promised
        return observer.is_alive() and all(emitter.is_alive() for emitter in observer.emitters)

    def hears(self, folder: str) -> bool:
        """Whether the folder could be watched at all."""
        return folder in self._ears

    def silent(self, patience: float) -> dict[str, bool]:
        """The folders of which nothing was heard: True if a canary was missed, False if none could be put there.

        A folder of which any event arrived since the last call is left alone. Waits up to ``patience`` seconds.
        """
        quiet = {folder: ear for folder, ear in self._ears.items() if not ear.has_heard()}
        asked = {folder for folder, ear in quiet.items() if _put_canary(ear.place)}
        try:
            deadline = time.monotonic() + patience
            for folder in asked:
                quiet[folder].answered.wait(max(0.0, deadline - time.monotonic()))
        finally:
            for folder in asked:
                remove_canary(quiet[folder].place)
        if self._observer is not None:
            self._limited = self._limited or _at_the_limit(self._observer)
        return {folder: folder in asked for folder, ear in quiet.items() if not ear.answered.is_set()}

    def close(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(SECONDS_TO_END)  # its threads end with the process in any case
            self._observer = None

    def _listen(self, observer: BaseObserver, folder: str, changed: Callable[[], None]) -> None:
        ear = _Ear(os.path.realpath(folder), changed)  # watchdog does not follow a link
        remove_canary(ear.place)  # left behind by a kill
        try:
            observer.schedule(ear, ear.place, recursive=True, event_filter=_NOTICED)
        except OSError as error:
            self._limited = self._limited or error.errno in _LIMITS
            return
        self._ears[folder] = ear


class _Ear(FileSystemEventHandler):
    """Hears one folder. ``answered`` is set by a canary's events."""

    def __init__(self, place: str, changed: Callable[[], None]) -> None:
        self.place = place
        self.answered = Event()
        self._heard = Event()
        self._changed = changed

    def has_heard(self) -> bool:
        """Whether anything but canaries was heard since the last call, which also begins a new question."""
        heard = self._heard.is_set()
        self._heard.clear()
        self.answered.clear()
        return heard

    def on_any_event(self, event: FileSystemEvent) -> None:
        if Path(os.fsdecode(event.src_path)).name == CANARY:
            self.answered.set()
        else:
            self._heard.set()
            self._changed()


def _hush_watchdog() -> None:
    """Its warnings name folders, and those belong in no log; what it warns of, canaries and scans find out."""
    for name in ("watchdog", "fsevents"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"watchdog\.")


def remove_canary(folder: str) -> None:
    """Removes ours alone: an empty, plain file."""
    canary = Path(folder, CANARY)
    try:
        if canary.is_file() and not canary.is_symlink() and canary.stat().st_size == 0:
            canary.unlink()
    except OSError:
        return  # it is gone, or the folder became read-only: nothing depends on it


def _put_canary(folder: str) -> bool:
    """False where nothing may be written, or the disk is full: then nobody can tell."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        os.close(os.open(Path(folder, CANARY), flags, 0o600))
    except OSError:
        return False
    return True


def _at_the_limit(observer: BaseObserver) -> bool:
    """watchdog keeps silent about inner folders that got no watch; but then one more gets none either."""
    if not sys.platform.startswith("linux"):
        return False
    with temporary_folder() as folder:
        try:
            observer.unschedule(observer.schedule(FileSystemEventHandler(), str(folder)))
        except OSError as error:
            return error.errno in _LIMITS
    return False
