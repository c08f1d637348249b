"""What lies about in a home: releases that went live, runs that ended, and what their stages left."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec

from config.paths import Home
from config.settings import DiskSettings
from daemon.ledger.books import Books
from daemon.ledger.records import Owner
from jobs.domain.artifacts import ExportedModel, LiveModel, Parity, ReleaseMetadata
from jobs.release_publishing import publish_release
from jobs.releases import Releases
from jobs.workshop import RESULT, RUN_MARK

NOW = datetime(2026, 1, 2, tzinfo=UTC)
OWNER = Owner(boot="boot", pid=1, started=1.0)
KEEP = DiskSettings(reserve=0, keep_releases=1, keep_runs=1)


def go_live(releases: Releases, *, run: int | None = None, dataset: str | None = None) -> str:
    """A new release with a model of its own, switched to and confirmed."""
    name = releases.next_name()
    gguf = releases.models / f"base-{int(name[1:]):012x}.gguf"
    gguf.write_bytes(name.encode() * 100)
    model = LiveModel(base="base", gguf=str(gguf), sha256=sha256(name.encode() * 100).hexdigest())
    metadata = ReleaseMetadata(name=name, created_at=NOW, targets={"embedding": model}, run=run, dataset=dataset)
    publish_release(releases, metadata, "collections: {}\n", Path.touch)
    releases.switch(name)
    releases.confirm(name)
    return name


def ended_run(books: Books, state: str, dataset: str = "") -> int:
    """A run whose dataset job is done, or is on its way if the run is active."""
    started = books.jobs.start_run("embedding", cause="test", forced=False, now=NOW)
    assert started is not None
    run, job = started
    claimed = books.jobs.claim(job.id, OWNER, NOW)
    assert claimed is not None
    books.jobs.finish(claimed, {"dataset": dataset, "rows": {}}, None, NOW)
    if state != "active":
        books.jobs.end_run(run.id, state, None, "test", NOW)
    return run.id


def stage(home: Home, name: str, *runs: int, result: object = None) -> Path:
    directory = home.stages / name
    (directory / "checkpoints").mkdir(parents=True)
    (directory / "checkpoints" / "weights").write_bytes(b"w" * 5000)
    for run in runs:
        (directory / f"{RUN_MARK}{run}").touch()
    if result is not None:
        (directory / RESULT).write_bytes(msgspec.json.encode(result))
    return directory


def exported(gguf: Path) -> ExportedModel:
    gguf.write_bytes(b"GGUF" * 2000)
    parity = Parity(measures={}, problems=())
    return ExportedModel(gguf=str(gguf), sha256="0" * 64, quantisation="f16", parity=parity)
