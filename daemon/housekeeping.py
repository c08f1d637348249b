"""Clears away what no rule keeps (jobs/domain/retention.py): looks, and deletes by rename first.

It works only while no job of a run is at work, and holds the ledger meanwhile, so that none begins. A crash at
any point leaves whole directories or swept-up trash, and the next time does the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import msgspec
import structlog
from msgspec import Struct

from config.paths import Home
from config.settings import DiskSettings
from daemon.ledger.books import Books
from daemon.ledger.database import START
from daemon.ledger.upkeep import last_end, run_facts, running_job_of_a_run
from jobs.domain.artifacts import ExportedModel
from jobs.domain.errors import BadInput, Refused
from jobs.domain.retention import (
    NeededRuns,
    StageDirectory,
    keep_datasets,
    keep_logs,
    keep_models,
    keep_releases,
    keep_stages,
    needed_runs,
    scratch_of,
)
from jobs.domain.states import FINISHED_JOB, JobState
from jobs.publish import remove_directory, sweep_stages
from jobs.release_keeping import pinned, remove
from jobs.release_withdrawal import buried
from jobs.releases import Release, Releases
from jobs.workshop import RESULT, RUN_MARK

log = structlog.get_logger()

KEPT_LOGS = 500
SECONDS_A_DAY = 86400.0
SECONDS_OF_A_CHECKPOINT = 120.0
CHECKPOINTS = "checkpoints"  # a training's, in its stage's directory


class Item(Struct, frozen=True, kw_only=True):
    """Something that goes. ``size``: bytes it takes up; what a release shares with ``releases/models`` counts there."""

    kind: Literal["release", "model", "dataset", "stage", "scratch", "log"]
    name: str
    size: int
    path: str


class Clearing(Struct, frozen=True, kw_only=True):
    """What would go, or has gone."""

    items: tuple[Item, ...]

    @property
    def size(self) -> int:
        return sum(item.size for item in self.items)


class Housekeeper:
    """``hold`` is entered while nothing may begin: it holds the daemon's ledger, or the place of one that is down."""

    def __init__(
        self,
        books: Books,
        home: Home,
        releases: Releases,
        settings: DiskSettings,
        hold: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        self._books = books
        self._home = home
        self._releases = releases
        self._settings = settings
        self._hold = hold
        self._seen: str | None = None
        self._swept_at = float("-inf")

    def tick(self) -> None:
        """Every minute: clears away at start, after a run has ended, and once a day; later while a run is at work."""
        ended, now = last_end(self._books.database), time.monotonic()
        if ended == self._seen and now - self._swept_at < SECONDS_A_DAY:
            return
        if running_job_of_a_run(self._books.database) is not None:
            return
        self._seen, self._swept_at = ended, now
        try:
            cleared = self.clear()
            log.info("cleared away", items=len(cleared.items), bytes=cleared.size)
        except Refused as error:
            log.warning("not cleared away", reason=error.message)

    def plan(self) -> Clearing:
        """What ``clear`` would delete. Changes nothing."""
        needed = self._needed()
        kept = self._kept_releases(needed)
        return Clearing(items=(*self._releases_to_go(kept), *self._others(needed, kept)))

    def clear(self) -> Clearing:
        """Raises Refused while a job of a run is at work, or when the system forbids a deletion."""
        try:
            with self._hold():
                if (job := running_job_of_a_run(self._books.database)) is not None:
                    remedy = f"try again when it has ended; after a crash: {START}"
                    raise Refused(f"job {job} is at work, so nothing was deleted", remedy=remedy)
                return Clearing(items=tuple(self._deleted()))
        except OSError as error:
            raise Refused(
                f"the system refused to delete something ({error.strerror}); what is left is whole",
                remedy="look at the permissions of the home, then `iaipctl gc`",
            ) from error

    def _deleted(self) -> Iterator[Item]:
        needed = self._needed()
        for item in self._releases_to_go(self._kept_releases(needed)):
            if remove(self._releases, item.name):
                yield item
        # Decided on what is there now: a release that was switched to meanwhile has kept its models.
        for item in self._others(needed, frozenset(self._releases.names())):
            _delete(Path(item.path))
            yield item
        self._sweep_trash()

    def _needed(self) -> NeededRuns:
        return needed_runs(run_facts(self._books.database), last=self._settings.keep_runs)

    def _kept_releases(self, needed: NeededRuns) -> frozenset[str]:
        releases = self._releases
        live = releases.live()
        found = {name: self._release(name) for name in releases.names()}
        protected = {live, None if live is None else releases.before(live), *pinned(releases)}
        protected |= {
            name
            for name, one in found.items()
            if one is None or one.state == "trial" or one.metadata.run in needed.whole or buried(releases, name)
        }
        withdrawn = {name for name, one in found.items() if one is not None and one.state == "withdrawn"}
        names = {name for name in protected if name is not None}
        return keep_releases(found, protected=names, withdrawn=withdrawn, last=self._settings.keep_releases)

    def _release(self, name: str) -> Release | None:
        """None for a damaged one: it is kept, somebody may want to look at it."""
        try:
            return self._releases.release(name)
        except BadInput:
            return None

    def _releases_to_go(self, kept: frozenset[str]) -> list[Item]:
        going = [name for name in self._releases.names() if name not in kept]
        return [_item("release", self._releases.directory(name), but="models") for name in going]

    def _others(self, needed: NeededRuns, releases: frozenset[str]) -> Iterator[Item]:
        """Everything but releases, given which of those stay."""
        stages = [_stage(path) for path in _entries(self._home.stages) if path.is_dir()]
        kept = keep_stages(stages, needed)
        for stage in stages:
            path = self._home.stages / stage.name
            if stage.name not in kept:
                yield _item("stage", path)
            else:
                yield from (_item("scratch", path / name) for name in scratch_of(stage) if (path / name).exists())
        models = self._releases.models
        used = self._models_of(releases) | self._models_of_exports(kept)
        yield from _going("model", models, keep_models(_names(models), used=used))
        datasets = self._home.datasets
        named = self._datasets_of(releases) | {
            run.dataset for run in run_facts(self._books.database) if run.dataset and run.id in needed.all
        }
        yield from _going("dataset", datasets, keep_datasets(_names(datasets), used=named))
        yield from self._logs()

    def _models_of(self, releases: frozenset[str]) -> frozenset[str]:
        """File names, as the releases' own links tell them and as their configurations mention them."""
        used: set[str] = set()
        for name in releases:
            directory = self._releases.directory(name)
            used.update(_names(directory / "models"))
            configuration = directory / "qmd" / "index.yml"
            text = configuration.read_text("utf-8") if configuration.exists() else ""
            used.update(model for model in _names(self._releases.models) if model in text)
        return frozenset(used)

    def _models_of_exports(self, kept: frozenset[str]) -> frozenset[str]:
        """An export's result stands in for its work as long as its model is there, so the model stays with it.

        All there are, if a result is damaged.
        """
        results = (self._home.stages / name / RESULT for name in kept if name.startswith("export-"))
        try:
            found = [msgspec.json.decode(path.read_bytes(), type=ExportedModel) for path in results if path.exists()]
        except msgspec.DecodeError:
            return frozenset(_names(self._releases.models))
        return frozenset(Path(exported.gguf).name for exported in found)

    def _datasets_of(self, releases: frozenset[str]) -> frozenset[str]:
        """All there are, if a kept release cannot tell which is its own."""
        found = [self._release(name) for name in releases]
        if None in found:
            return frozenset(_names(self._home.datasets))
        return frozenset(one.metadata.dataset for one in found if one is not None and one.metadata.dataset)

    def _logs(self) -> Iterator[Item]:
        folder = self._home.logs / "jobs"
        logs = {int(path.stem): path for path in _entries(folder) if path.suffix == ".log" and path.stem.isdigit()}
        unfinished = {job.id for job in self._books.jobs.in_state(*(set(JobState) - FINISHED_JOB))}
        kept = keep_logs(logs, unfinished=unfinished, last=KEPT_LOGS)
        yield from (_item("log", path) for job, path in sorted(logs.items()) if job not in kept)

    def _sweep_trash(self) -> None:
        """What interrupted deletions and publications left. Nobody publishes here while no run is at work, but for a
        worker whose daemon was killed: it may still be at its last checkpoint."""
        for directory in (self._home.datasets, self._home.stages, *_entries(self._home.stages)):
            sweep_stages(directory)
            sweep_stages(directory / CHECKPOINTS, idle=SECONDS_OF_A_CHECKPOINT)


def allocated(path: Path, *, but: str | None = None) -> int:
    """Bytes that a file, or all files of a directory but those under ``but``, take up on the volume."""
    if not path.is_dir():
        return _blocks(path)
    entries = (entry for entry in path.iterdir() if entry.name != but)
    return sum(_blocks(file) for entry in entries for file in (entry, *entry.rglob("*")))


def _blocks(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except FileNotFoundError:  # a job at work has just replaced it
        return 0


def _stage(path: Path) -> StageDirectory:
    numbers = (name.removeprefix(RUN_MARK) for name in _names(path) if name.startswith(RUN_MARK))
    runs = frozenset(int(number) for number in numbers if number.isdigit())
    return StageDirectory(name=path.name, runs=runs, finished=(path / RESULT).exists())


def written_by(run: int, stages: Path, plan: str) -> dict[str, int]:
    """Bytes that the stages of a run hold on disk, by stage; of trainings, the one of this ``plan`` (``plan_digest``)
    alone: no other will be gone on with."""
    held: dict[str, int] = {}
    for path in _entries(stages):
        if path.is_dir() and run in (stage := _stage(path)).runs:
            goes_on = stage.stage != "train" or (path / f"{RUN_MARK}{run}").read_text("ascii") == plan
            held[stage.stage] = held.get(stage.stage, 0) + (allocated(path) if goes_on else 0)
    return held


def _going(kind: Literal["model", "dataset"], folder: Path, kept: frozenset[str]) -> list[Item]:
    return [_item(kind, path) for path in _entries(folder) if path.name not in kept]


def _item(
    kind: Literal["release", "model", "dataset", "stage", "scratch", "log"], path: Path, *, but: str | None = None
) -> Item:
    name = f"{path.parent.name}/{path.name}" if kind == "scratch" else path.name
    return Item(kind=kind, name=name, size=allocated(path, but=but), path=str(path))


def _entries(folder: Path) -> list[Path]:
    """Sorted, without stages of publications."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []


def _names(folder: Path) -> list[str]:
    return [path.name for path in _entries(folder)]


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        remove_directory(path)
    else:
        path.unlink(missing_ok=True)
