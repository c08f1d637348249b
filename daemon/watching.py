"""How well the notes are watched: what is shown of it, and what is worth an alert. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from msgspec import Struct

from daemon.debounce import Cause
from jobs.domain.errors import IaipError
from jobs.domain.scan import Reason

Sight = Literal["events", "unproven", "network", "silent", "no-watches", "missing"]
"""How changes in a folder are noticed.

``events``: at once, proven by a canary. ``unproven``: at once, as far as anybody can tell (it is read-only).
The others by scans alone: ``network``, where other machines' changes make no events; ``silent``, where canaries are
missed; ``no-watches``, where the system has none left. ``missing``: there is no folder now.
"""
BY_SCANS: frozenset[Sight] = frozenset({"network", "silent", "no-watches"})
TOLD_FAILURES = 3
_IN_WORDS: dict[Sight, str] = {
    "unproven": "read-only, so nobody can tell whether its changes are heard",
    "network": "on a network: scanned every few minutes",
    "silent": "its changes are not heard: scanned every few minutes",
    "no-watches": "the system has no watches left: scanned every few minutes",
    "missing": "not mounted, gone or not readable: its documents are kept",
}


class LastScan(Struct, frozen=True, kw_only=True):
    """What the last scan saw: shown by ``status``. ``doubted`` documents were not found and are kept, by collection.

    ``closed``: folders that may not be read, by collection; one that is not there is not closed.
    """

    at: datetime
    documents: int
    changed: int
    removed: int
    seconds: float
    left_out: dict[Reason, int]
    unreadable_folders: int
    cause: Cause = "start"
    doubted: dict[str, int] = {}
    closed: dict[str, int] = {}


class Watching(Struct, frozen=True, kw_only=True):
    """``collections`` by name; ``missed`` canaries since the daemon started; ``failures`` of scans in a row.

    ``failure`` is the kind of the last one. ``told`` and ``remedy`` are there if it can be explained: those are errors
    of the configuration or the ledger, and name no note.
    """

    collections: dict[str, Sight] = {}
    missed: int = 0
    failures: int = 0
    failure: str | None = None
    told: str | None = None
    remedy: str | None = None


def failed_again(before: Watching, error: Exception) -> Watching:
    """What is to be said of failures after one more. An error that nobody explained may name a note in its words."""
    known = error if isinstance(error, IaipError) else None
    return Watching(
        failures=before.failures + 1,
        failure=type(error).__name__,
        told=known.message if known else None,
        remedy=known.remedy if known else None,
    )


class News(Struct, frozen=True, kw_only=True):
    """An alert. It names no file; ``about`` is a collection, or nothing."""

    kind: str
    about: str = ""
    title: str
    body: str


def news(before: Watching, now: Watching) -> Iterator[News]:
    """What became worse: told once, and again only after it was well in between."""
    if "no-watches" in now.collections.values() and "no-watches" not in before.collections.values():
        yield News(
            kind="no-watches",
            title="The system has no folder watches left",
            body="Changes in your notes are found by scans every few minutes instead of at once. Next: on Linux,"
            " `sudo sysctl fs.inotify.max_user_watches=1048576 fs.inotify.max_user_instances=512`, and the same two"
            " settings in a file under /etc/sysctl.d",
        )
    if "silent" in now.collections.values() and "silent" not in before.collections.values():
        yield News(
            kind="silent-folder",
            title="A folder of notes sends no events",
            body="Its changes are found by scans every few minutes. Next: `iaipctl status` names the collection",
        )
    if now.failures >= TOLD_FAILURES > before.failures:
        yield News(
            kind="scans-fail",
            title="Your notes cannot be scanned",
            body=f"{now.failures} scans in a row failed ({now.told or now.failure}); they go on, and nothing that was"
            f" known is lost. Next: {now.remedy or '`iaipctl status`, and logs/ in the home'}",
        )


def closures(before: LastScan | None, now: LastScan) -> Iterator[News]:
    """Collections with folders that may not be read any more: told once, and again after it was well."""
    for name in now.closed:
        if before is None or name not in before.closed:
            yield News(
                kind="permission-lost",
                about=name,
                title=f"{now.closed[name]} folders of {name} may not be read",
                body="Nothing that was known of them is forgotten. Next: `iaipctl doctor notes --from-agent` says what"
                " the agent may read; on macOS it needs Full Disk Access for what lies in Documents, Desktop, Downloads"
                " and iCloud Drive",
            )


def doubts(before: LastScan | None, now: LastScan) -> Iterator[News]:
    """Collections that lost most of their documents in one scan."""
    for name in now.doubted:
        if before is None or name not in before.doubted:
            yield News(
                kind="vanished",
                about=name,
                title=f"{now.doubted[name]} documents of {name} vanished at once",
                body="They are kept for now: a volume may not be mounted. If they are deleted for good nothing needs"
                " to be done: it is believed after a day, unless the folder is another one and empty. Next: mount it,"
                f" or `qmd collection remove {name}` to let go of it now",
            )


def watching_lines(watching: Watching, scan: LastScan | None) -> list[str]:
    """For people: only what is not as it should be."""
    lines = [f"{name}: {_IN_WORDS[sight]}" for name, sight in watching.collections.items() if sight in _IN_WORDS]
    lines += [
        f"{name}: {count} documents vanished at once and are kept; mount the volume, or `qmd collection remove {name}`"
        for name, count in (scan.doubted if scan else {}).items()
    ]
    if watching.missed:
        lines.append(f"events stopped {watching.missed} times and were taken up again")
    if watching.failures:
        lines.append(f"the last {watching.failures} scans failed: {watching.told or watching.failure}")
    if watching.remedy:
        lines.append(f"next: {watching.remedy}")
    return lines
