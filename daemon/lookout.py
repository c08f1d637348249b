"""Keeps the collections' folders watched, and knows how far that can be trusted."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from daemon.debounce import Cause
from daemon.system.folder_events import FolderEvents
from daemon.system.mounts import is_on_remote
from daemon.watching import Sight

log = structlog.get_logger()

_PATIENCE = 10.0
_TRY_AGAIN = 12  # missed canaries in a row
Identity = tuple[int, int]
"""A folder's device and inode: another one at the same path is another folder."""


class Lookout:
    """Used by one thread. ``changed`` is called from others."""

    def __init__(self, changed: Callable[[], None], canary_every: float) -> None:
        self._changed = changed
        self._canary_every = canary_every
        self._patience = min(_PATIENCE, canary_every)
        self._events: FolderEvents | None = None
        self._folders: dict[str, Identity | None] = {}
        self._remote: frozenset[str] = frozenset()
        self._misses: dict[str, int] = {}
        self._unproven: frozenset[str] = frozenset()
        self._asked_at = 0.0
        self.missed = 0

    def cover(self, folders: frozenset[str], now: float) -> None:
        """Watches these and no others. They may be missing, links, read-only or far away."""
        if folders != self._folders.keys():
            self._watch(folders, now)

    def renew(self, now: float) -> None:
        """Everything afresh: whatever was heard or promised before counts no more."""
        self._watch(frozenset(self._folders), now)

    def check(self, now: float) -> Cause | None:
        """To be called every second or so: why everything should be scanned, if it should."""
        if any(_identity(folder) != known for folder, known in self._folders.items()):
            self.renew(now)
            return "folder"
        if self._events is not None and not self._events.is_alive():
            return self._missed(now)
        return self._ask(now) if now - self._asked_at >= self._canary_every else None

    def sight(self, folder: str) -> Sight:
        events = self._events
        if self._folders.get(folder) is None:
            return "missing"
        if events is None or events.limited or not events.hears(folder):
            return "no-watches"
        if folder in self._remote:
            return "network"
        if self._misses.get(folder, 0) > 1:
            return "silent"
        return "unproven" if folder in self._unproven else "events"

    def close(self) -> None:
        if self._events is not None:
            self._events.close()
            self._events = None

    def _watch(self, folders: frozenset[str], now: float) -> None:
        self.close()
        self._folders = {folder: _identity(folder) for folder in folders}
        present = [folder for folder, identity in self._folders.items() if identity is not None]
        self._remote = frozenset(folder for folder in present if is_on_remote(folder))
        self._misses = {folder: count for folder, count in self._misses.items() if folder in folders}
        self._events = FolderEvents(present, self._changed)
        self._asked_at = now

    def _ask(self, now: float) -> Cause | None:
        self._asked_at = now
        if self._events is None:
            return None
        silent = self._events.silent(self._patience)
        self._unproven = frozenset(folder for folder, asked in silent.items() if not asked)
        self._misses = _counted(self._misses, silent)
        if 1 in self._misses.values():
            return self._missed(now)
        if self._events.limited or any(count % _TRY_AGAIN == 0 for count in self._misses.values()):
            self.renew(now)  # the limit may have been raised, the silent folder may speak again
        return None

    def _missed(self, now: float) -> Cause:
        self.missed += 1
        log.warning("events had stopped: watching anew")
        self.renew(now)
        return "canary"


def _counted(before: Mapping[str, int], silent: Mapping[str, bool]) -> dict[str, int]:
    """Canaries missed in a row, by folder; where none could be put nothing is known."""
    return {folder: before.get(folder, 0) + 1 for folder, asked in silent.items() if asked}


def _identity(folder: str) -> Identity | None:
    """None if there is no folder, or it may not be entered."""
    try:
        status = Path(folder).stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if Path(folder).is_dir() and os.access(folder, os.R_OK | os.X_OK) else None
