"""A worker that says what it was told to say, and the executor that runs it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from config.paths import Home
from daemon.executor import Executor, Means
from daemon.ledger.books import Books
from daemon.ledger.records import Job, Owner
from daemon.runner import Crashed
from jobs.wire import Done, Event, Failed, JobSpec

OWNER = Owner(boot="boot", pid=1, started=1.0)
NOW = datetime(2026, 1, 2, tzinfo=UTC)
LastWord = Done | Failed | Crashed


class ScriptedWorker:
    """Says what it was told to say, and remembers what it was asked."""

    def __init__(self, *words: LastWord, events: tuple[Event, ...] = ()) -> None:
        self.words = list(words)
        self.events = events
        self.specs: list[JobSpec] = []
        self.during: Callable[[], None] = lambda: None

    def __call__(
        self, spec: JobSpec, log: Path, on_event: Callable[[Event], None], should_stop: Callable[[], bool]
    ) -> Done | Failed:
        self.specs.append(spec)
        for event in self.events:
            on_event(event)
        self.during()
        word = self.words.pop(0)
        if isinstance(word, Crashed):
            raise word
        return word


def executor(
    books: Books,
    tmp_path: Path,
    worker: ScriptedWorker,
    stopping: threading.Event | None = None,
    may_start: Callable[[], bool] = lambda: True,
    has_room: Callable[[Job], bool] = lambda job: True,
    end_trial: Callable[[], str | None] = lambda: None,
) -> Executor:
    means = Means(run_worker=worker, may_start=may_start, has_room=has_room, end_trial=end_trial)
    return Executor(books, Home(root=tmp_path), OWNER, stopping or threading.Event(), means)


def new_run(books: Books) -> Job:
    started = books.jobs.start_run("embedding", cause="test", forced=False, now=NOW)
    assert started is not None
    return started[1]
