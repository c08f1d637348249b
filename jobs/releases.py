"""Releases on disk: immutable models, one directory per release, one symlink that is live.

    <root>/models/<base>-<sha12>.gguf      content-addressed, read-only, shared between releases
    <root>/vN/{models/, index/index.sqlite, qmd/index.yml, training-metadata.json, sources/, SHA256SUMS}
    <root>/current -> vN                   the only switch

QMD's caches and vector fingerprints key on a model's path string, so the configuration names the
file under ``<root>/models``: a release that keeps a model keeps its vectors. ``vN/models`` holds
hard links to the same files, which makes every release whole. Everything needed to roll back is
here: no ledger and no daemon take part.

Notes in a release say what became of it, in an order that a crash cannot turn into a lie: TRIAL before
it goes live, ROLLED-BACK with the reason before it is left, CAME-AFTER before it replaces another.
``recover`` takes away a note that no switch followed.

A reader of ours resolves ``current`` once (``live_directory``) and reads only below the directory it
found: one release, whatever is switched meanwhile. QMD opens the index and then the configuration, each
through ``current``: a command that starts in the milliseconds of a switch may see the index of one
release with the models of the other. It warns of missing vectors, that one answer mixes vector spaces, and
the next is right. A QMD that keeps running (its server) stays with the release it opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from jobs.domain.artifacts import LiveModel, ReleaseMetadata, ReleaseState
from jobs.domain.errors import BadInput, NotFound, Refused
from jobs.domain.retention import ADOPTED
from jobs.locks import locked
from jobs.publish import make_directory, remove_file, sweep_stages, switch_symlink, write_file
from jobs.release_damage import release_damage

METADATA = "training-metadata.json"
TRIAL = "TRIAL"
ROLLED_BACK = "ROLLED-BACK"
WITHDRAWN = "WITHDRAWN"
CAME_AFTER = "CAME-AFTER"
INTERRUPTED = "its trial was interrupted"
"""Why ``recover`` takes a release back. Nobody has judged it, so it may be tried again."""
BY_HAND = "taken back by hand"

_REMEDY = "`iaipctl releases` lists what there is"

MergeConfiguration = Callable[[str, str], str]
"""(live configuration, another release's) → the live one with the other's models."""

MayGoLive = Callable[["Release"], bool]
"""Whether consent to all that a release learnt from holds: asked of what nobody chose to make live."""


class Release(Struct, frozen=True, kw_only=True):
    metadata: ReleaseMetadata
    state: ReleaseState
    directory: Path


class Releases:
    """The releases under ``root``. ``merge`` carries the owner's collections across a switch; ``may`` is asked of a
    release before it takes another's place by itself: after a withdrawal, a failed trial or a crash."""

    def __init__(self, root: Path, merge: MergeConfiguration, may: MayGoLive) -> None:
        self.root, self.models, self.current = root, root / "models", root / "current"
        self._merge, self._may = merge, may

    def live(self) -> str | None:
        """The live release's name, or none before the adoption."""
        return str(self.current.readlink()) if self.current.is_symlink() else None

    def live_directory(self) -> Path | None:
        """The live release's own directory: what is read below it belongs together, also during a switch."""
        name = self.live()
        return None if name is None else self.directory(name)

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
        """Raises NotFound for a name that does not exist, BadInput for one whose metadata is damaged."""
        path = self.directory(name) / METADATA
        try:
            metadata = msgspec.json.decode(path.read_bytes(), type=ReleaseMetadata)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"there is no usable release {name}", remedy=_REMEDY) from error
        except (OSError, msgspec.DecodeError) as error:
            raise BadInput(f"there is no usable release {name}", remedy=_REMEDY) from error
        return Release(metadata=metadata, state=self._state(name), directory=self.directory(name))

    def all(self) -> list[Release]:
        """Every release that can be read, oldest first."""
        found = []
        for name in self.names():
            with suppress(BadInput):
                found.append(self.release(name))
        return found

    def _state(self, name: str) -> ReleaseState:
        directory = self.directory(name)
        if (directory / WITHDRAWN).exists():
            return "withdrawn"
        if self.live() == name:
            return "trial" if (directory / TRIAL).exists() else "live"
        return "rolled-back" if (directory / ROLLED_BACK).exists() else "previous"

    def before(self, name: str) -> str | None:
        """The newest release that ``name`` replaced and that was not withdrawn, following the chain backwards."""
        return next(self.earlier(name), None)

    def left_because(self, name: str) -> str | None:
        """Why ``name`` was judged and taken back; none if it was not, or only because its trial was interrupted."""
        reason = self._reason(name)
        return None if self.live() == name or reason == INTERRUPTED else reason

    def damage(self, name: str, *, beside: str | None = None) -> str | None:
        """As ``release_damage``, but a model that ``beside`` searches with too is not read: a switch between the two
        neither brings nor ends it. Raises BadInput as ``release`` does."""
        targets, shared = self.release(name).metadata.targets, dict[str, LiveModel]()
        if beside is not None:
            with suppress(BadInput):  # a release whose metadata are damaged can be left all the same
                shared = self.release(beside).metadata.targets
        own = {target: model for target, model in targets.items() if shared.get(target) != model}
        index = self.directory(name) / "index" / "index.sqlite"
        return release_damage(own, index, adopted=name == ADOPTED)

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Held by whoever changes what is live or removes a release, in whatever process.

        Raises Refused when another holds it for longer than a switch ever takes.
        """
        make_directory(self.root)
        with locked(self.root, of="the releases"):
            yield

    def switch(self, name: str) -> None:
        """Makes ``name`` live on trial in one rename, with the owner's present collections and its own models.

        Raises Refused for a withdrawn or damaged release; the live one stays.
        """
        with self.one_at_a_time():
            if (live := self.live()) == name:
                return
            self._refuse_unfit(name, live)
            write_file(self.directory(name) / TRIAL, b"")
            self.put_live(name, live)

    def confirm(self, name: str) -> bool:
        """Ends the trial of the live release. False: ``name`` is not live any more."""
        with self.one_at_a_time():
            if self.live() != name:
                return False
            remove_file(self.directory(name) / TRIAL)
            return True

    def way_back(self, to: str | None = None) -> tuple[str, str]:
        """What is live, and ``to``, else the release before it. Raises Refused if there is none or it is not fit."""
        live = self.live()
        target = to or (None if live is None else self.before(live))
        if live is None or target is None:
            raise Refused("there is no earlier release to go back to", remedy=_REMEDY)
        self._refuse_unfit(target, live)
        return live, target

    def roll_back(self, to: str | None = None, may: Callable[[str, str], None] = lambda live, target: None) -> str:
        """Switches to where ``way_back`` leads and returns its name; raises as that does, and as ``may`` does."""
        with self.one_at_a_time():
            live, target = self.way_back(to)
            if target != live:
                may(live, target)
                self._leave(live, target, BY_HAND)
            return target

    def take_back(self, name: str, reason: str) -> str:
        """Ends the trial of ``name`` by going back, past damaged and denied releases, and returns what is live now.

        Raises Refused, with ``name`` still live, if no earlier release is fit.
        """
        with self.one_at_a_time():
            if (live := self.live()) is not None and live != name:
                return live
            if (target := self._fit_before(name)) is None:
                raise Refused(f"{name} stays live: no earlier release is whole and allowed", remedy=_REMEDY)
            self._leave(name, target, reason)
            return target

    def recover(self) -> str | None:
        """After a crash: sweeps stages, ends a trial that nobody confirmed by going back, past damaged and denied
        releases, and takes away the notes of a switch that did not come to pass. Returns the release it left."""
        with self.one_at_a_time():
            self._sweep()
            live = self.live()
            target = self._fit_before(live) if live and (self.directory(live) / TRIAL).exists() else None
            if live and target:
                with suppress(BadInput):  # a configuration that QMD left half: nothing is won by going back
                    self._leave(live, target, self._reason(live) or INTERRUPTED)
            self._tidy_notes()
            return live if self.live() != live else None

    def earlier(self, name: str) -> Iterator[str]:
        """Back along the notes, newest first, without the withdrawn."""
        while (note := self.directory(name) / CAME_AFTER).exists():
            name = note.read_text("utf-8").strip()
            if self.directory(name).is_dir() and not (self.directory(name) / WITHDRAWN).exists():
                yield name

    def _reason(self, name: str) -> str | None:
        note = self.directory(name) / ROLLED_BACK
        return note.read_text("utf-8") if note.exists() else None

    def is_fit(self, name: str) -> bool:
        """Whether it can be read, is whole, and may be live."""
        try:
            return self.damage(name) is None and self._may(self.release(name))
        except BadInput:
            return False

    def _fit_before(self, name: str) -> str | None:
        return next(filter(self.is_fit, self.earlier(name)), None)

    def _refuse_unfit(self, name: str, live: str | None) -> None:
        if (self.directory(name) / WITHDRAWN).exists():
            raise Refused(f"{name} was withdrawn and can never be live again", remedy="choose another release")
        if (damage := self.damage(name, beside=live)) is not None:
            other = self._fit_before(name)
            remedy = f"`iaipctl rollback --to {other}`" if other else _REMEDY
            raise Refused(f"{name} cannot go live: {damage}; {live} stays live", remedy=remedy)

    def _leave(self, live: str, target: str, reason: str) -> None:
        if int(target[1:]) < int(live[1:]):
            write_file(self.directory(live) / ROLLED_BACK, reason.encode())
        remove_file(self.directory(target) / TRIAL)
        self.put_live(target, live)
        remove_file(self.directory(live) / TRIAL)

    def put_live(self, name: str, live: str | None) -> None:
        """The switch, under ``one_at_a_time``. What is written before it is harmless if it does not come to pass."""
        if live is not None:
            self._carry_collections(live, name)
            if int(name[1:]) > int(live[1:]):
                write_file(self.directory(name) / CAME_AFTER, live.encode())
        switch_symlink(self.current, name)
        remove_file(self.directory(name) / ROLLED_BACK)

    def _sweep(self) -> None:
        for directory in (self.root, self.models, *(self.directory(name) for name in self.names())):
            sweep_stages(directory)
            sweep_stages(directory / "qmd")

    def _tidy_notes(self) -> None:
        live = self.live()
        for name in self.names():
            stale = self.directory(name) / (ROLLED_BACK if name == live else TRIAL)
            if stale.exists():
                remove_file(stale)

    def configuration_after(self, live: str, name: str) -> str:
        """QMD's configuration as a switch from ``live`` to ``name`` would leave it. Raises as the merge does."""
        return self._merge(*((self.directory(one) / "qmd" / "index.yml").read_text("utf-8") for one in (live, name)))

    def _carry_collections(self, live: str, name: str) -> None:
        merged = self.configuration_after(live, name)
        write_file(self.directory(name) / "qmd" / "index.yml", merged.encode("utf-8"))
