"""Where a home may not live: SQLite needs locks and shared memory that networks and sync services don't keep."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

import psutil
from msgspec import Struct

from daemon.system.mounts import is_remote, may_be_remote
from jobs.domain.errors import Refused

_SYNCED_FOLDERS = ("box", "box sync", "dropbox", "google drive", "my drive", "nextcloud", "onedrive", "pcloud drive")
_DRIVE = Path("Library", "Mobile Documents", "com~apple~CloudDocs")
_SWITCHED = ("Desktop", "Documents")
_APPLE = {"Mobile Documents": "iCloud Drive", "CloudStorage": "a cloud storage provider"}


class Mount(Struct, frozen=True, kw_only=True):
    point: str
    kind: str


def require_local(home: Path) -> None:
    """Raises Refused, with the reason, for a home on a network volume or in a folder that a service syncs."""
    place = _nearest(home)
    mounts = [Mount(point=m.mountpoint, kind=m.fstype) for m in psutil.disk_partitions(all=True)]
    person = Path.home().resolve()
    reason = unfit(place.resolve(), person, mounts, in_icloud(person))
    if reason is not None:
        raise Refused(
            f"{home} cannot be a home: {reason}",
            remedy="choose a folder on this machine's own disk with --home or IAIP_HOME; nothing was changed",
        )


def in_icloud(person: Path) -> frozenset[str]:
    """Which of a person's own folders iCloud Drive has taken over ("Desktop & Documents Folders" is switched on).

    It then has folders of the same names, wherever the files themselves are.
    """
    return frozenset(name for name in _SWITCHED if os.path.lexists(person / _DRIVE / name))


def unfit(place: Path, person: Path, mounts: Sequence[Mount], taken: Collection[str] = ()) -> str | None:
    """Why a ledger may not be kept at ``place`` (absolute, links resolved), or none.

    ``person`` is the owner's home folder, ``taken`` what iCloud has of it. The mount with the longest matching
    path, and of equals the last, is the one in force.
    """
    above = [mount for mount in reversed(mounts) if place.is_relative_to(mount.point)]
    volume = max(above, key=lambda mount: len(Path(mount.point).parts), default=None)  # of equals the first of these
    if volume is not None and may_be_remote(volume.kind):
        sure = "is" if is_remote(volume.kind) else "may be"
        return f"{volume.point} {sure} a network volume ({volume.kind}), where SQLite's locks do not hold"
    if not place.is_relative_to(person):
        return None
    inside = place.relative_to(person).parts
    if len(inside) > 1 and inside[0] == "Library" and inside[1] in _APPLE:
        return f"it is in {_APPLE[inside[1]]}, which copies and evicts files while they are in use"
    first = inside[0].lower() if inside else ""
    if first in {name.lower() for name in taken}:  # names on a Mac's disk are the same in any case
        return f"~/{inside[0]} is kept in iCloud Drive, which copies and evicts files while they are in use"
    if any(first == name or first.startswith((f"{name} -", f"{name} (")) for name in _SYNCED_FOLDERS):
        return f"~/{inside[0]} is synced by a service, which copies files while they are half written"
    return None


def _nearest(path: Path) -> Path:
    """The path itself, or the first folder above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())
