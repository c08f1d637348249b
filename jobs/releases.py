"""Releases on disk: immutable models, one directory per release, one symlink that is live.

    <root>/models/<base>-<sha12>.gguf      content-addressed, read-only, shared between releases
    <root>/vN/{models/, index/index.sqlite, qmd/index.yml, training-metadata.json, SHA256SUMS}
    <root>/current -> vN                   the only switch

QMD's caches and vector fingerprints key on a model's path string, so the configuration names the
file under ``<root>/models``: a release that keeps a model keeps its vectors. ``vN/models`` holds
hard links to the same files, which makes every release whole. Everything needed to roll back is
here: no ledger and no daemon take part.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from config.paths import QmdFiles
from jobs.domain.artifacts import LiveModel, ReleaseState
from jobs.domain.errors import BadInput, Refused
from jobs.index_file import copy_index
from jobs.publish import published_directory, staged_file, sweep_stages, switch_symlink, write_file

METADATA = "training-metadata.json"
TRIAL = "TRIAL"
ROLLED_BACK = "ROLLED-BACK"
WITHDRAWN = "WITHDRAWN"
CAME_AFTER = "CAME-AFTER"

MergeConfiguration = Callable[[str, str], str]
"""(live configuration, another release's) → the live one with the other's models."""


class Gain(Struct, frozen=True, kw_only=True):
    """What the verdict measured when the release was promoted."""

    metric: str
    delta: float
    low: float
    high: float


class ReleaseMetadata(Struct, frozen=True, kw_only=True):
    """``training-metadata.json``: what the release is and what it was made from."""

    schema: str = "iaip.release/1"
    name: str
    created_at: datetime
    targets: dict[str, LiveModel]
    run: int | None = None
    target: str | None = None
    dataset: str | None = None
    gain: Gain | None = None
    tools: dict[str, str] = {}
    training: dict[str, str] = {}


class Release(Struct, frozen=True, kw_only=True):
    metadata: ReleaseMetadata
    state: ReleaseState
    directory: Path


class Releases:
    """The releases under ``root``. ``merge`` carries the owner's collections across a switch."""

    def __init__(self, root: Path, merge: MergeConfiguration) -> None:
        self.root = root
        self._merge = merge

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def current(self) -> Path:
        return self.root / "current"

    def live(self) -> str | None:
        """The live release's name, or none before the adoption."""
        return str(self.current.readlink()) if self.current.is_symlink() else None

    def directory(self, name: str) -> Path:
        return self.root / name

    def names(self) -> list[str]:
        """Oldest first."""
        if not self.root.is_dir():
            return []
        numbers = [int(entry.name[1:]) for entry in self.root.glob("v*") if entry.name[1:].isdigit()]
        return [f"v{number}" for number in sorted(numbers)]

    def next_name(self) -> str:
        names = self.names()
        return f"v{int(names[-1][1:]) + 1}" if names else "v0"

    def release(self, name: str) -> Release:
        """Raises BadInput for a name that does not exist or whose metadata is damaged."""
        path = self.directory(name) / METADATA
        try:
            metadata = msgspec.json.decode(path.read_bytes(), type=ReleaseMetadata)
        except (OSError, msgspec.DecodeError) as error:
            raise BadInput(
                f"there is no usable release {name}", remedy="`iaipctl releases` lists what there is"
            ) from error
        return Release(metadata=metadata, state=self._state(name), directory=self.directory(name))

    def all(self) -> list[Release]:
        return [self.release(name) for name in self.names()]

    def _state(self, name: str) -> ReleaseState:
        directory = self.directory(name)
        if (directory / WITHDRAWN).exists():
            return "withdrawn"
        if self.live() == name:
            return "trial" if (directory / TRIAL).exists() else "live"
        return "rolled-back" if (directory / ROLLED_BACK).exists() else "previous"

    def before(self, name: str) -> str | None:
        """The newest usable release that ``name`` replaced, following the chain backwards."""
        while (note := self.directory(name) / CAME_AFTER).exists():
            name = note.read_text("utf-8").strip()
            if self.directory(name).is_dir() and not (self.directory(name) / WITHDRAWN).exists():
                return name
        return None

    def publish(self, metadata: ReleaseMetadata, configuration: str, make_index: Callable[[Path], None]) -> Path:
        """Writes a whole release under its name, on trial and not live. A second call with the same name is a no-op."""
        with published_directory(self.directory(metadata.name)) as stage:
            for part in ("models", "index", "qmd"):
                (stage / part).mkdir()
            for model in metadata.targets.values():
                source = Path(model.gguf)
                if source.parent == self.models:
                    (stage / "models" / source.name).hardlink_to(source)
            make_index(stage / "index" / "index.sqlite")
            (stage / "qmd" / "index.yml").write_text(configuration, "utf-8")
            (stage / METADATA).write_bytes(msgspec.json.format(msgspec.json.encode(metadata)))
            sums = "".join(f"{m.sha256}  models/{Path(m.gguf).name}\n" for m in metadata.targets.values() if m.sha256)
            (stage / "SHA256SUMS").write_text(sums, "utf-8")
            (stage / TRIAL).touch()
        return self.directory(metadata.name)

    def switch(self, name: str) -> None:
        """Makes ``name`` live in one rename, with the owner's present collections and its own models.

        Raises Refused for a withdrawn release; the live one stays.
        """
        directory = self.directory(name)
        if (directory / WITHDRAWN).exists():
            raise Refused(f"{name} was withdrawn and can never be live again", remedy="choose another release")
        live = self.live()
        if live is not None and live != name:
            self._carry_collections(live, name)
            if int(name[1:]) > int(live[1:]):
                write_file(directory / CAME_AFTER, live.encode())
        switch_symlink(self.current, name)
        (directory / ROLLED_BACK).unlink(missing_ok=True)

    def confirm(self, name: str) -> None:
        (self.directory(name) / TRIAL).unlink(missing_ok=True)

    def roll_back(self, to: str | None = None) -> str:
        """Switches to ``to``, else to the release before the live one, and returns its name.

        Raises Refused when there is none. Takes two small writes and a rename.
        """
        live = self.live()
        target = to or (None if live is None else self.before(live))
        if live is None or target is None:
            raise Refused("there is no earlier release to go back to", remedy="`iaipctl releases` lists what there is")
        self.release(target)
        if target == live:
            return target
        self.switch(target)
        if int(target[1:]) < int(live[1:]):
            write_file(self.directory(live) / ROLLED_BACK, b"")
        self.confirm(target)
        self.confirm(live)
        return target

    def recover(self) -> str | None:
        """After a crash: sweeps stages and ends a trial that nobody confirmed by going back. Returns what it left."""
        sweep_stages(self.root)
        sweep_stages(self.models)
        live = self.live()
        if live is None or not (self.directory(live) / TRIAL).exists() or self.before(live) is None:
            return None
        self.roll_back()
        return live

    def adopt(self, files: QmdFiles, now: datetime, targets: dict[str, LiveModel]) -> None:
        """Takes the owner's configuration and index in as ``v0`` and leaves links in their places.

        Idempotent, and safe to repeat after a crash at any point: a plain file found in the owner's
        place is always the newest, and is copied before it is replaced.
        """
        self.models.mkdir(parents=True, exist_ok=True, mode=0o700)
        if "v0" not in self.names():
            metadata = ReleaseMetadata(name="v0", created_at=now, targets=targets)
            text = files.config.read_text("utf-8") if files.config.exists() else "collections: {}\n"
            self.publish(metadata, text, lambda path: copy_index(files.index, path))
            self.confirm("v0")
        if self.live() is None:
            switch_symlink(self.current, "v0")
        self._link(files.config, self.current / "qmd" / "index.yml", self._take_configuration)
        self._link(files.index, self.current / "index" / "index.sqlite", copy_index)

    def give_back(self, files: QmdFiles) -> list[Path]:
        """The inverse of ``adopt``: the live configuration and index as plain files in the owner's places.

        Each file is copied beside its link, synced, and renamed over it: after a crash a place holds the
        link or the whole copy, both work, and a second call goes on. Returns what was given back; a place
        that is no link of ours is the owner's and is left alone. The configuration still names the live
        models, which stay under ``models``.
        """
        given = []
        for place, inside, copy in (
            (files.index, self.current / "index" / "index.sqlite", copy_index),
            (files.config, self.current / "qmd" / "index.yml", shutil.copyfile),
        ):
            if place.is_symlink() and place.readlink() == inside:
                self._replace_link(place, inside, copy)
                given.append(place)
        return given

    @staticmethod
    def _replace_link(link: Path, inside: Path, copy: Callable[[Path, Path], object]) -> None:
        """A link to nothing (an index that was never made) just goes."""
        if not inside.exists():
            link.unlink()
            return
        with staged_file(link) as stage:
            copy(inside, stage)

    def _link(self, place: Path, inside: Path, take: Callable[[Path, Path], None]) -> None:
        if place.is_symlink() and place.readlink() == inside:
            return
        if place.exists():
            take(place, inside)
        switch_symlink(place, str(inside))
        for suffix in ("-wal", "-shm"):
            place.with_name(place.name + suffix).unlink(missing_ok=True)

    @staticmethod
    def _take_configuration(place: Path, inside: Path) -> None:
        write_file(inside, place.read_bytes())

    def _carry_collections(self, live: str, name: str) -> None:
        path = self.directory(name) / "qmd" / "index.yml"
        live_text = (self.directory(live) / "qmd" / "index.yml").read_text("utf-8")
        merged = self._merge(live_text, path.read_text("utf-8"))
        write_file(path, merged.encode("utf-8"))
