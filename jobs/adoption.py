"""First use and the end of use: the owner's QMD configuration and index become release v0, and plain files again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from config.paths import QmdFiles
from jobs.domain.artifacts import LiveModel, ReleaseMetadata
from jobs.index_file import copy_index
from jobs.publish import STAGE_PREFIX, make_directory, staged_file, switch_symlink, sync_file, write_file
from jobs.release_publishing import publish_release
from jobs.releases import Releases


def adopt(releases: Releases, files: QmdFiles, now: datetime, targets: Mapping[str, LiveModel]) -> None:
    """Takes the owner's configuration and index in as ``v0`` and leaves links in their places.

    Idempotent, and safe to repeat after a crash at any point: a plain file found in the owner's
    place is always the newest, and is copied before it is replaced.
    """
    make_directory(releases.models)
    with releases.one_at_a_time():
        if "v0" not in releases.names():
            metadata = ReleaseMetadata(name="v0", created_at=now, targets=dict(targets))
            text = files.config.read_text("utf-8") if files.config.exists() else "collections: {}\n"
            publish_release(releases, metadata, text, lambda path: copy_index(files.index, path))
        if releases.live() is None:
            switch_symlink(releases.current, "v0")
        _link(files.config, releases.current / "qmd" / "index.yml", _take_configuration)
        _link(files.index, releases.current / "index" / "index.sqlite", _take_index)


def _link(place: Path, inside: Path, take: Callable[[Path, Path], None]) -> None:
    for orphan in place.parent.glob(f"{STAGE_PREFIX}{place.name}-*"):  # nobody else's: the folder is the owner's
        orphan.unlink()
    if not (place.is_symlink() and place.readlink() == inside):
        if place.exists():
            take(place, inside)
        switch_symlink(place, str(inside))
    for suffix in ("-wal", "-shm"):  # of the plain file that stood here; SQLite keeps a link's beside its target
        place.with_name(place.name + suffix).unlink(missing_ok=True)


def _take_configuration(place: Path, inside: Path) -> None:
    write_file(inside, place.read_bytes())


def _take_index(place: Path, inside: Path) -> None:
    copy_index(place, inside)
    sync_file(inside)


def give_back(releases: Releases, files: QmdFiles) -> list[Path]:
    """The inverse of ``adopt``: the live configuration and index as plain files in the owner's places.

    Each file is copied beside its link, synced, and renamed over it: after a crash a place holds the
    link or the whole copy, both work, and a second call goes on. Returns what was given back; a place
    that is no link of ours is the owner's and is left alone, and so is a link whose release is not there
    (a volume that is not mounted): it works again when that is back. The configuration still names the
    live models, which stay under ``releases.models``.
    """
    given: list[Path] = []
    live = releases.live_directory()
    if live is None or not live.is_dir():
        return given
    for place, inside, copy in (
        (files.index, releases.current / "index" / "index.sqlite", copy_index),
        (files.config, releases.current / "qmd" / "index.yml", shutil.copyfile),
    ):
        if place.is_symlink() and place.readlink() == inside:
            _replace_link(place, inside, copy)
            given.append(place)
    return given


def _replace_link(link: Path, inside: Path, copy: Callable[[Path, Path], object]) -> None:
    """A link to nothing (an index that was never made) just goes."""
    if not inside.exists():
        link.unlink()
        return
    with staged_file(link) as stage:
        copy(inside, stage)
