"""What is kept; everything else may be deleted. Each rule returns a part of the names it was given.

    releases/vN        the live one, the way back, pinned ones, v0, what unfinished runs need, tombstones, the newest
    releases/models    what a kept release names or a kept export made
    datasets           of kept releases (they tell what is in a model) and of needed runs
    stages             all of runs that go on or may be retried; of the newest done runs the exports
    logs/jobs          of unfinished jobs, and the newest

Checkpoints go as soon as their training is whole. Never deleted: curated and evaluation (the owner's), base-models
(fetched by hand), cache/examples.sqlite (kept in step with the notes, no larger than they). A name that is not
of our making is always kept: it is not ours to delete.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable

from msgspec import Struct

from jobs.domain.states import RunState

ADOPTED = "v0"
"""The owner's own configuration and index, to be given back at any time."""
_RELEASE = re.compile(r"v(0|[1-9][0-9]*)")
_MODEL = re.compile(r".+-[0-9a-f]{12}\.gguf")
_DATASET = re.compile(r"[0-9a-f]{16}")
_STAGE = re.compile(r"(canary|baseline|train|export|validate)-[0-9a-f]{16}")
# What a finished stage wrote for itself alone: a canary's dummy, a training's way back to its last steps.
_SCRATCH = {"canary": ("model", "search"), "train": ("checkpoints", "trainer")}
_MAY_GO_ON = frozenset({RunState.FAILED, RunState.CANCELLED})


class RunFacts(Struct, frozen=True, kw_only=True):
    """A run as the ledger tells it. ``dataset`` is the name of the one it built, if it came so far."""

    id: int
    target: str
    state: str
    dataset: str | None = None


class NeededRuns(Struct, frozen=True, kw_only=True):
    """``whole``: runs that go on or may be told to, and need all they wrote. ``results``: of these the results."""

    whole: frozenset[int]
    results: frozenset[int]

    @property
    def all(self) -> frozenset[int]:
        return self.whole | self.results


class StageDirectory(Struct, frozen=True, kw_only=True):
    """A stage's directory: the runs that worked in it or used its result, and whether its result is whole."""

    name: str
    runs: frozenset[int]
    finished: bool

    @property
    def stage(self) -> str:
        return self.name.partition("-")[0]


def needed_runs(runs: Iterable[RunFacts], *, last: int) -> NeededRuns:
    """Every active run, and of each target the ``last`` newest that ended.

    One of these that failed or was cancelled may be retried from where it stood, so it is needed whole.
    """
    ended: dict[str, list[RunFacts]] = defaultdict(list)
    whole: set[int] = set()
    for run in runs:
        if run.state == RunState.ACTIVE:
            whole.add(run.id)
        else:
            ended[run.target].append(run)
    newest = [run for found in ended.values() for run in sorted(found, key=_newest_first)[:last]]
    retryable = {run.id for run in newest if run.state in _MAY_GO_ON}
    return NeededRuns(
        whole=frozenset(whole | retryable), results=frozenset(run.id for run in newest if run.id not in retryable)
    )


def keep_releases(
    names: Iterable[str], *, protected: Collection[str], withdrawn: Collection[str] = (), last: int
) -> frozenset[str]:
    """The protected releases, the owner's own files, the very newest, and the ``last`` newest others by number.

    Protected are the live one, the one to go back to, pinned ones, and those that unfinished runs need. The very
    newest stays because the next number is counted from it: none is ever given twice. A withdrawn release can
    never be live again, so otherwise it is not kept for being new.
    """
    given = frozenset(names)
    foreign = {name for name in given if not _RELEASE.fullmatch(name)}
    newest = sorted(given - foreign, key=_number)[-1:]
    special = given & {ADOPTED, *protected, *newest}
    others = sorted(given - special - foreign - set(withdrawn), key=_number, reverse=True)
    return special | foreign | frozenset(others[:last])


def keep_models(names: Iterable[str], *, used: Collection[str]) -> frozenset[str]:
    """Exported models that a kept release names or a kept export made."""
    return frozenset(name for name in names if name in used or not _MODEL.fullmatch(name))


def keep_datasets(names: Iterable[str], *, used: Collection[str]) -> frozenset[str]:
    """Datasets of kept releases (they tell what is in a model) and of needed runs."""
    return frozenset(name for name in names if name in used or not _DATASET.fullmatch(name))


def keep_stages(stages: Iterable[StageDirectory], needed: NeededRuns) -> frozenset[str]:
    """All that runs needed whole wrote, and the exports of those of which the results are needed.

    A finished canary is a line of text that saves a minute, so it stays; one that was cut off stays while
    some run may need it.
    """
    return frozenset(stage.name for stage in stages if _keeps_stage(stage, needed))


def scratch_of(stage: StageDirectory) -> tuple[str, ...]:
    """The entries of a kept stage's directory that nothing reads any more."""
    return _SCRATCH.get(stage.stage, ()) if stage.finished and _STAGE.fullmatch(stage.name) else ()


def keep_logs(jobs: Iterable[int], *, unfinished: Collection[int], last: int) -> frozenset[int]:
    """The logs of the ``last`` newest jobs, by number, and of every job that is not finished."""
    given = frozenset(jobs)
    return (given & frozenset(unfinished)) | frozenset(sorted(given, reverse=True)[:last])


def _keeps_stage(stage: StageDirectory, needed: NeededRuns) -> bool:
    if not _STAGE.fullmatch(stage.name):
        return True
    if stage.stage == "canary":
        return stage.finished or bool(needed.whole)
    used = needed.all if stage.stage == "export" and stage.finished else needed.whole
    return bool(stage.runs & used)


def _newest_first(run: RunFacts) -> int:
    return -run.id


def _number(name: str) -> int:
    return int(name.removeprefix("v"))
