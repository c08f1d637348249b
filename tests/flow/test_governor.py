"""Executor, governor, runner and a real worker process: paused, sent away, and the same result all the same."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from config.load import load_settings
from config.paths import Home
from daemon import pace
from daemon.executor import Executor, Means
from daemon.governor import Governor
from daemon.ledger.books import Books, open_books
from daemon.ledger.records import Job, Owner
from daemon.pace import Grade
from daemon.readings import Readings
from daemon.runner import run_worker
from daemon.system.gentle import NICE
from jobs.wire import Stage
from tests.fakes.readings import FINE

OWNER = Owner(boot="boot", pid=1, started=1.0)
HOT = msgspec.structs.replace(FINE, heat="heavy")
FULL = msgspec.structs.replace(FINE, memory="critical")
SMALL_WORKER = (sys.executable, "-m", "tests.fakes.small_worker")


class Night:
    """A home with one training to do, on a machine whose condition the test decides."""

    def __init__(self, folder: Path) -> None:
        self.books = open_books(folder / "ledger.sqlite")
        self.readings = FINE
        settings = load_settings(Path("absent.toml"))
        often = msgspec.structs.replace(
            settings, governor=msgspec.structs.replace(settings.governor, sample_every=0.05)
        )
        self.governor = Governor(often, self, self.books, partial(run_worker, command=SMALL_WORKER))
        means = Means(
            run_worker=self.governor.run_worker,
            may_start=self.governor.may_start,
            has_room=lambda job: True,
            end_trial=lambda: None,
        )
        self.executor = Executor(self.books, Home(root=folder), OWNER, threading.Event(), means)
        self.number = training(self.books).id
        self.governor.start()

    def sample(self) -> Readings:
        return self.readings

    @property
    def job(self) -> Job:
        return self.books.jobs.job(self.number)

    @property
    def step(self) -> int:
        return self.job.progress.step if self.job.progress else 0

    def rests(self) -> bool:
        """Whether no step is reported for longer than reports are apart."""
        before = self.step
        time.sleep(1.3)
        return self.step == before

    def works(self) -> threading.Thread:
        thread = threading.Thread(target=self.executor.execute, args=(self.number,))
        thread.start()
        return thread

    def becomes(self, readings: Readings, allowed: bool) -> None:
        self.readings = readings
        until(lambda: self.governor.sample().may_start is allowed)


def training(books: Books) -> Job:
    """The job of a train stage, everything before it being done."""
    now = datetime.now(UTC)
    started = books.jobs.start_run("embedding", cause="test", forced=False, now=now)
    assert started is not None
    job = started[1]
    stages: tuple[Stage, ...] = ("baseline", "train")
    for following in stages:
        claimed = books.jobs.claim(job.id, OWNER, now)
        assert claimed is not None and books.jobs.finish(claimed, {"dataset": "d"}, following, now)
        [job] = books.jobs.in_state("queued")
    return job


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def quick_latches(monkeypatch: pytest.MonkeyPatch) -> None:
    for grade in Grade:
        if grade:
            monkeypatch.setitem(pace.CLOSES_AFTER, grade, 0.0)
            monkeypatch.setitem(pace.OPENS_AFTER, grade, 0.0)


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    (tmp_path / "night").mkdir()
    built = Night(tmp_path / "night")
    yield built
    built.governor.stop()


@pytest.fixture
def undisturbed(tmp_path: Path) -> Iterator[dict[str, Any]]:
    (tmp_path / "undisturbed").mkdir()
    calm = Night(tmp_path / "undisturbed")
    calm.executor.execute(calm.number)
    calm.governor.stop()
    assert calm.job.result is not None
    yield calm.job.result


def test_a_paused_training_goes_on_to_the_same_result(night: Night, undisturbed: dict[str, Any]) -> None:
    thread = night.works()
    until(lambda: night.step >= 5)
    night.becomes(HOT, False)
    until(night.rests)
    assert night.rests(), "it waits at a step boundary"
    assert night.job.state == "running"
    night.becomes(FINE, True)
    thread.join()
    assert (night.job.state, night.job.result) == ("done", undisturbed)
    assert undisturbed["nice"] >= NICE
    told = [record.action for record in night.books.pace.changes(datetime.min.replace(tzinfo=UTC), datetime.now(UTC))]
    assert told == ["run", "pause", "run"]


def test_a_training_sent_away_is_put_back_without_blame_and_ends_the_same(
    night: Night, undisturbed: dict[str, Any]
) -> None:
    thread = night.works()
    until(lambda: night.step >= 5)
    night.becomes(FULL, False)
    thread.join()
    assert (night.job.state, night.job.attempts) == ("queued", 0)
    [row] = night.books.database.rows("SELECT data FROM event WHERE job = ? AND data LIKE '%reason%'", night.number)
    assert "memory is critical (stopped after step" in row["data"]
    assert night.executor.execute(night.number) == []
    assert night.job.state == "queued", "nothing heavy starts while the pressure lasts"
    night.becomes(FINE, True)
    night.executor.execute(night.number)
    assert (night.job.state, night.job.attempts, night.job.result) == ("done", 1, undisturbed)


def test_light_jobs_go_on_while_heavy_ones_may_not(night: Night) -> None:
    night.becomes(HOT, False)
    other = night.books.jobs.start_run("expansion", cause="test", forced=False, now=datetime.now(UTC))
    assert other is not None and other[1].stage == "dataset"
    night.executor.execute(other[1].id)
    assert night.books.jobs.job(other[1].id).state == "done"
    night.executor.execute(night.number)
    assert night.job.state == "queued"
