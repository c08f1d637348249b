"""How releases stop being live or a way back, at once, and what stays of one afterwards."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec

from jobs.domain.retention import ADOPTED
from jobs.domain.withdrawal import goes_live
from jobs.lineage import is_tombstone
from jobs.publish import remove_directory, remove_file, sync_directory, write_file
from jobs.release_keeping import PINNED
from jobs.releases import CAME_AFTER, METADATA, ROLLED_BACK, TRIAL, WITHDRAWN, Releases

_STAYS = frozenset({METADATA, WITHDRAWN, CAME_AFTER, ROLLED_BACK, PINNED})
_SAYS = ("schema", "name", "created_at", "targets", "run", "target", "dataset", "gain", "tools", "training")
"""What a tombstone's metadata tell: no note, no person."""


def withdraw(releases: Releases, names: Collection[str], why: str) -> tuple[str | None, str | None]:
    """Stops the releases for good and returns what was live and what is. The switch is the same as everywhere.

    First something else goes live, if it may; then none of them can: after a crash in between, doing it again does the
    rest.
    Where nothing could go live (the owner's own files are gone) the live one stays, marked as withdrawn.
    """
    with releases.one_at_a_time():
        live = releases.live()
        to = None if live is None else _next(releases, live, names)
        if live is not None and to is not None and to != live:
            remove_file(releases.directory(to) / TRIAL)
            releases.put_live(to, live)
            remove_file(releases.directory(live) / TRIAL)
        for name in names:
            if not (releases.directory(name) / WITHDRAWN).exists():
                write_file(releases.directory(name) / WITHDRAWN, why.encode())
        return live, releases.live()


def bury(releases: Releases, name: str) -> bool:
    """Leaves a tombstone of a withdrawn release: what it was, not what it was made from. False if it is live.

    Its models under ``releases/models`` are not touched. May be done again.
    """
    with releases.one_at_a_time():
        directory = releases.directory(name)
        if releases.live() == name or not directory.is_dir():
            return False
        _strip(directory / METADATA)
        for entry in sorted(directory.iterdir()):
            if entry.name in _STAYS:
                continue
            if entry.is_dir() and not entry.is_symlink():
                remove_directory(entry)
            else:
                entry.unlink()
        sync_directory(directory)
    return True


def buried(releases: Releases, name: str) -> bool:
    return is_tombstone(releases.directory(name))


def _next(releases: Releases, live: str, stopping: Collection[str]) -> str | None:
    before = list(releases.earlier(live))
    if ADOPTED in releases.names() and ADOPTED not in before:
        before.append(ADOPTED)
    return goes_live(live, stopping, before, releases.is_fit)


def _strip(path: Path) -> None:
    try:
        told: dict[str, Any] = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError):
        return
    kept = {key: told[key] for key in _SAYS if key in told}
    if kept != told:
        write_file(path, msgspec.json.format(msgspec.json.encode(kept)))
