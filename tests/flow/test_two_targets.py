"""One training window starts a run of each target: they take turns, and each is judged against what it measured."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.load import load_settings
from config.paths import Home
from daemon.executor import Executor, Means
from daemon.housekeeping import Clearing
from daemon.ledger.books import Books
from daemon.ledger.jobs import Left
from daemon.scheduler import Calls, Scheduler
from jobs.domain.endings import Ending
from jobs.wire import Done, Event, JobSpec
from tests.flow.scripted_worker import NOW, OWNER, ScriptedWorker, executor


class Window:
    """A scheduler and an executor over one ledger, rung by hand; every worker does its stage at once.

    Before validation, no run goes on: the candidate cannot be told from what is live.
    """

    def __init__(self, books: Books, folder: Path) -> None:
        self.books, self.rings, self.order = books, deque[int](), list[str]()
        home = Home(root=folder)
        calls = Calls(
            ring=self.rings.append,
            may_start=lambda: True,
            reclaim=list,
            clear_away=lambda: Clearing(items=()),
            open_page=dict,
            tell=lambda kind, about: None,
        )
        self.scheduler = Scheduler(books, home, load_settings(home.config_file), calls)
        means = Means(run_worker=self.worker, may_start=lambda: True, has_room=lambda job: True, end_trial=lambda: None)
        self.executor = Executor(books, home, OWNER, threading.Event(), means)

    def worker(
        self, spec: JobSpec, log: Path, on_event: Callable[[Event], None], should_stop: Callable[[], bool]
    ) -> Done:
        self.order.append(f"{spec.target} {spec.stage}")
        result = {"dataset": "d", "rows": {}} if spec.stage == "dataset" else {}
        return Done(result=result, ends_run="refused: a test" if spec.stage == "train" else None)

    def opens(self) -> None:
        long_ago = (datetime.now(UTC) - timedelta(days=30)).isoformat()
        self.books.knowledge.set_fact("installed-at", long_ago)
        for target in ("embedding", "expansion"):
            self.books.knowledge.set_fact(f"new-rows:{target}", "1")
        self.scheduler.tick()

    def works(self) -> None:
        while self.rings:
            self.rings.extend(self.executor.execute(self.rings.popleft()))


@pytest.fixture
def window(books: Books, tmp_path: Path) -> Window:
    return Window(books, tmp_path)


def test_two_runs_of_one_window_build_their_datasets_and_then_take_turns(window: Window) -> None:
    window.opens()
    assert window.books.jobs.counts() == {"queued": 2}
    window.works()
    assert window.order[:2] == ["embedding dataset", "expansion dataset"], "light jobs wait for no other run"
    assert window.order[2:] == ["embedding baseline", "embedding train", "expansion baseline", "expansion train"]
    assert window.books.jobs.counts() == {"done": 6}


def test_a_run_that_waits_for_another_says_for_which(window: Window) -> None:
    jobs = window.books.jobs
    window.opens()
    assert not any(map(jobs.waits_its_turn, jobs.in_state("queued"))), "their datasets wait for nobody"
    for dataset in jobs.in_state("queued"):
        window.executor.execute(dataset.id)
    first, second = jobs.in_state("queued")
    assert (jobs.waits_its_turn(first), jobs.waits_its_turn(second)) == ("", "run 2 waits for run 1 (embedding) to end")


@pytest.mark.parametrize("state", ["paused", "quarantined"])
def test_a_run_that_waits_for_a_person_holds_up_no_other(window: Window, state: str) -> None:
    window.opens()
    first = window.books.jobs.in_state("queued")[0]
    if state == "paused":
        window.books.jobs.move_waiting(first.id, ("queued",), "paused", NOW)
    for _ in range(2 * (state == "quarantined")):
        claimed = window.books.jobs.claim(first.id, OWNER, NOW)
        assert claimed is not None
        window.books.jobs.settle(claimed, Left(ending=Ending.REBOOTED, reason="r"), NOW)
    assert window.books.jobs.job(first.id).state == state
    window.works()
    assert window.order == ["expansion dataset", "expansion baseline", "expansion train"]


def test_one_dataset_job_at_a_time_and_the_other_is_rung_for_when_it_is_done(books: Books, tmp_path: Path) -> None:
    worker = ScriptedWorker(*[Done(result={"dataset": "d", "rows": {}, "new_pairs": 0, "new_expansions": 0})] * 2)
    runs = executor(books, tmp_path, worker)
    refresh = books.jobs.want_refresh(NOW)
    started = books.jobs.start_run("embedding", cause="test", forced=False, now=NOW)
    assert refresh is not None and started is not None
    other = started[1]

    def meanwhile() -> None:
        worker.during = lambda: None
        thread = threading.Thread(target=lambda: rung.append(runs.execute(other.id)))
        thread.start()
        thread.join(10)
        assert books.jobs.job(other.id).state == "queued", "they share the cache of examples"

    rung: list[list[int]] = []
    worker.during = meanwhile
    assert runs.execute(refresh.id) == [other.id]
    assert rung == [[]]
    runs.execute(other.id)
    assert books.jobs.job(other.id).state == "done"
