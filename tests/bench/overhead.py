"""What the daemon costs a training: the same pairs by the trainer called directly, and by a job of the queue.

python -m tests.bench.overhead HOME DATASET WORK     the direct side, in a process of its own
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from config.load import load_settings
from config.paths import Home
from daemon.executor import Executor, Means
from daemon.governor import Governor
from daemon.ledger.books import Books, open_books
from daemon.ledger.records import Job
from daemon.runner import run_worker
from daemon.system.processes import boot_id, this_process
from daemon.system.telemetry import telemetry
from jobs.domain.corpus import DocumentId
from jobs.domain.examples import DatasetCounts, DatasetManifest, Origin, Pair
from jobs.domain.recipe import Lesson, Plan
from jobs.domain.results import BaselineResult, DatasetResult
from jobs.wire import Stage
from tests.bench.growth import home_over_notes
from tests.bench.measure import Row
from tests.house import keys_of

PAIRS = 480
ROUNDS = 2
_WORDS = 40
_SYLLABLES = "ka ro mi ten sol var det lum pir gan nor eth ula bri cos fen dal wex yor zin".split()


class Cost(Struct, frozen=True, kw_only=True):
    """Seconds of the clock, and of processors in this process and in those it started."""

    wall: float
    processor: float


def measure(folder: Path) -> list[Row]:
    """Each side several times, in turn, the fastest counts; the canary has flown before.

    On a machine that does other work meanwhile the clock tells little: then believe the processor's seconds.
    """
    home = Home(root=Path(home_over_notes(folder, 10)["IAIP_HOME"]))
    books = open_books(home.ledger)
    through_daemon(home, books, write_dataset(home, "0" * 16, 64))
    dataset = write_dataset(home, "1" * 16, PAIRS)
    direct, queued = [], []
    for number in range(ROUNDS):
        direct.append(_timed(partial(called_directly, home, dataset, folder / f"direct-{number}")))
        queued.append(_timed(partial(through_daemon, home, books, dataset)))
        print(f"round {number}: direct {direct[-1]}, queued {queued[-1]}", file=sys.stderr, flush=True)
    row = Row(
        name=f"training of {PAIRS} pairs through the daemon",
        value=min(cost.wall for cost in queued),
        unit="s",
        peer="the trainer called directly",
        peer_value=min(cost.wall for cost in direct),
        goal=1.02,
        better="lower",
    )
    return [
        row,
        msgspec.structs.replace(
            row,
            name="the same in processor time",
            value=min(cost.processor for cost in queued),
            peer_value=min(cost.processor for cost in direct),
        ),
    ]


def _timed(work: Callable[[], None]) -> Cost:
    wall, processor = time.monotonic(), _processor_seconds()
    work()
    return Cost(wall=time.monotonic() - wall, processor=_processor_seconds() - processor)


def _processor_seconds() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def called_directly(home: Home, dataset: str, work: Path) -> None:
    """A process that loads the dataset and the base, trains, and ends."""
    subprocess.run(
        [sys.executable, "-m", "tests.bench.overhead", str(home.root), dataset, str(work)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def through_daemon(home: Home, books: Books, dataset: str) -> None:
    """The train job of a new run, from its claim to its settlement, by a real worker process."""
    job = _train_job(books, dataset)
    settings = load_settings(home.config_file)
    unhindered = msgspec.structs.replace(settings.governor, rest=0.0, rest_unknown=0.0)
    governor = Governor(msgspec.structs.replace(settings, governor=unhindered), telemetry(home.root), books, run_worker)
    governor.start()
    try:
        means = Means(
            run_worker=governor.run_worker, may_start=lambda: True, has_room=lambda job: True, end_trial=lambda: None
        )
        Executor(books, home, this_process(boot_id()), threading.Event(), means).execute(job.id)
    finally:
        governor.stop()
    settled = books.jobs.job(job.id)
    assert settled.state == "done", (settled.error, settled.remedy)
    _end(books, settled, home)


def _train_job(books: Books, dataset: str) -> Job:
    """The train job of a new run whose dataset and baseline are done."""
    started = books.jobs.start_run("embedding", cause="bench", forced=True, now=_now())
    assert started is not None
    owner = this_process(boot_id())
    baseline = BaselineResult(index="", answers="", sets=(), score=0.0, plan=Plan(intensity="gentle", reason="bench"))
    job = started[1]
    done: tuple[tuple[DatasetResult | BaselineResult, Stage], ...] = (
        (DatasetResult(dataset=dataset, rows={}), "baseline"),
        (baseline, "train"),
    )
    for result, following in done:
        claimed = books.jobs.claim(job.id, owner, _now())
        assert claimed is not None
        assert books.jobs.finish(claimed, msgspec.to_builtins(result), following, _now())
        [job] = books.jobs.in_state("queued")
    return job


def _end(books: Books, job: Job, home: Home) -> None:
    """Ends the run here and forgets what it trained, so that the next one trains again."""
    assert job.run is not None
    for waiting in books.jobs.in_state("queued"):
        books.jobs.move_waiting(waiting.id, ("queued",), "cancelled", _now())
    books.jobs.end_run(job.run, "cancelled", None, "bench", _now())
    for directory in home.stages.glob("train-*"):
        shutil.rmtree(directory)


def write_dataset(home: Home, name: str, count: int) -> str:
    """A dataset of made-up pairs, forty words a passage; returns its name."""
    directory = home.datasets / name
    directory.mkdir(parents=True)
    pairs = [_pair(number) for number in range(count + count // 10)]
    splits = {"train": pairs[:count], "development": pairs[count:], "test": pairs[count:]}
    for split, rows in splits.items():
        (directory / f"{split}.jsonl").write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    (directory / "queries.json").write_bytes(b"[]")
    (directory / "documents.jsonl").write_bytes(b"")
    manifest = DatasetManifest(
        name=name,
        target="embedding",
        generator_version=0,
        seed=7,
        counts=DatasetCounts(rows={}, generators={}, languages={}, dropped={}),
        sources=(),
        excluded=0,
        curated_problems=(),
    )
    (directory / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    return name


def _pair(number: int) -> Pair:
    chance = random.Random(number)
    words = ["".join(chance.choice(_SYLLABLES) for _ in range(2)) for _ in range(_WORDS)]
    document = DocumentId(collection="bench", path=f"{number}.md")
    return Pair(
        query=" ".join(words[:4]),
        title=" ".join(words[4:6]),
        passage=" ".join(words),
        relevant=(document,),
        language="und",
        origin=Origin(document=document, sha256="", start=0, length=1, generator="title"),
    )


def _now() -> datetime:
    return datetime.now(UTC)


def train_directly(root: Path, dataset: str, work: Path) -> None:
    from jobs.adapters.base_models import BaseModels
    from jobs.adapters.sentence_transformers import SentenceTransformersTrainer
    from jobs.dataset.build import load

    home = Home(root=root)
    recipe = load_settings(home.config_file).embedding
    base = BaseModels(home.base_models).resolve(recipe.base, "embedding")
    rows = load(home.datasets / dataset, keys_of(home))
    lesson = Lesson(
        base=base,
        recipe=recipe,
        intensity="gentle",
        train=rows.pairs("train"),
        development=rows.pairs("development"),
    )
    SentenceTransformersTrainer().train(lesson, work, lambda progress: None, lambda: False)


if __name__ == "__main__":
    train_directly(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
    os._exit(0)
