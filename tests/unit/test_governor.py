"""The governor's thread, its word to workers, and what it writes down. The readings are scripted."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from config.load import load_settings
from daemon import pace
from daemon.governor import Governor
from daemon.ledger.books import Books, open_books
from daemon.ledger.pace import MOST_ROWS, PaceRecord
from daemon.pace import Decision
from daemon.readings import Power, Readings, Unknown
from jobs.domain.artifacts import Progress
from jobs.wire import LEAVE, RUN, Done, Event, Failed, JobSpec, Order, Step
from tests.fakes.readings import FINE

CRITICAL = msgspec.structs.replace(FINE, memory="critical")
LEFT = Failed(message="stopped after step 3 of 9", remedy="", kind="stopped")
TRAIN = JobSpec(job=1, stage="train", home="", target="embedding")


class Machine:
    def __init__(self) -> None:
        self.readings: Readings = FINE
        self.looks = 0

    def sample(self) -> Readings:
        self.looks += 1
        return self.readings


class Worker:
    """Asks for its orders, says what it is told to say, and remembers."""

    def __init__(self, word: Done | Failed, during: Callable[[], None] = lambda: None) -> None:
        self.word = word
        self.during = during
        self.orders: list[Order] = []

    def __call__(
        self, spec: JobSpec, log: Path, on_event: Callable[[Event], None], order: Callable[[], Order]
    ) -> Done | Failed:
        self.orders.append(order())
        on_event(Step(progress=Progress(step=3, steps=9, loss=0.5, rate=1.0, unit="pairs", eta=1.0)))
        self.during()
        self.orders.append(order())
        return self.word


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return open_books(tmp_path / "ledger.sqlite")


def governor(books: Books, machine: Machine, worker: Worker) -> Governor:
    settings = load_settings(Path("absent.toml"))
    often = msgspec.structs.replace(settings.governor, sample_every=0.02)
    return Governor(msgspec.structs.replace(settings, governor=often), machine, books, worker)


def run(governed: Governor, spec: JobSpec = TRAIN, *, stopping: bool = False) -> Done | Failed:
    return governed.run_worker(spec, Path("log"), lambda event: None, lambda: stopping)


def test_severe_pressure_sends_the_worker_away_with_the_reason(books: Books) -> None:
    machine, worker = Machine(), Worker(LEFT)
    governed = governor(books, machine, worker)
    governed.sample()

    def pressure() -> None:
        machine.readings = CRITICAL
        governed.sample()

    worker.during = pressure
    outcome = run(governed)
    assert worker.orders == [RUN, LEAVE]
    assert isinstance(outcome, Failed) and outcome.kind == "stopped"
    assert outcome.message == "memory is critical (stopped after step 3 of 9)"
    assert not governed.may_start()


def test_a_worker_that_finished_all_the_same_has_finished(books: Books) -> None:
    machine = Machine()
    machine.readings = CRITICAL
    governed = governor(books, machine, Worker(Done(result={})))
    governed.sample()
    assert run(governed) == Done(result={})


@pytest.mark.parametrize("stage", ["dataset", "deploy"])
def test_light_work_and_the_switch_are_not_governed(books: Books, stage: str) -> None:
    machine, worker = Machine(), Worker(LEFT)
    machine.readings = CRITICAL
    governed = governor(books, machine, worker)
    governed.sample()
    spec = msgspec.convert({"job": 1, "stage": stage, "home": ""}, JobSpec)
    assert run(governed, spec) == LEFT
    assert worker.orders == [RUN, RUN]


def test_the_daemon_s_own_stop_comes_first(books: Books) -> None:
    worker = Worker(LEFT)
    assert run(governor(books, Machine(), worker), stopping=True) == LEFT
    assert worker.orders == [LEAVE, LEAVE]


def test_it_looks_once_before_it_lets_anything_start(books: Books) -> None:
    machine = Machine()
    machine.readings = CRITICAL
    governed = governor(books, machine, Worker(LEFT))
    governed.start()
    assert not governed.may_start()
    governed.stop()


def test_it_looks_often_while_something_runs_and_survives_a_look_that_fails(books: Books) -> None:
    machine = Machine()
    broken = iter([True])

    def look() -> Readings:
        machine.looks += 1
        if machine.looks > 3 and next(broken, False):
            raise RuntimeError("the machine is gone")
        return FINE

    machine.sample = look  # type: ignore[method-assign]

    def ten_looks() -> None:
        deadline = time.monotonic() + 20.0
        while machine.looks < 10 and time.monotonic() < deadline:
            time.sleep(0.01)

    governed = governor(books, machine, Worker(Done(result={}), during=ten_looks))
    governed.start()
    run(governed)
    governed.stop()
    assert machine.looks >= 10


def test_every_change_is_written_down_and_little_else(books: Books) -> None:
    machine = Machine()
    governed = governor(books, machine, Worker(LEFT))
    for _ in range(50):
        governed.sample()
    machine.readings = CRITICAL
    for _ in range(50):
        governed.sample()
    rows = books.database.rows("SELECT action, reason FROM pace ORDER BY id")
    assert [tuple(row) for row in rows] == [
        ("run", "nothing is in the way"),
        ("checkpoint-and-exit", "memory is critical"),
    ]


def record(at: datetime, action: str, since: datetime, readings: Readings = FINE) -> PaceRecord:
    return PaceRecord(at=at, since=since, action=action, rest=0.0, reason=f"{action}!", readings=readings)


def test_the_history_is_bounded_and_its_latest_is_found(books: Books) -> None:
    start = datetime(2026, 1, 2, tzinfo=UTC)
    with books.database.transaction():
        for number in range(MOST_ROWS + 50):
            books.pace.add(record(start + timedelta(minutes=number), "run", start))
        blind = Readings(heat=Unknown(reason="no sensor"), power=Power(source="battery", percent=7))
        books.pace.add(record(start + timedelta(days=9), "pause", start + timedelta(days=9), blind))
    [count] = books.database.rows("SELECT count(*) AS n FROM pace")
    assert count["n"] == MOST_ROWS
    latest = books.pace.latest()
    assert latest is not None and (latest.action, latest.readings) == ("pause", blind)


def test_the_changes_of_a_stretch_begin_with_what_was_in_force(books: Books) -> None:
    moments = [datetime(2026, 1, 2, hour, tzinfo=UTC) for hour in range(6)]
    books.pace.add(record(moments[0], "run", moments[0]))
    books.pace.add(record(moments[1], "pause", moments[1]))
    books.pace.add(record(moments[2], "pause", moments[1]))
    books.pace.add(record(moments[3], "run", moments[3]))
    books.pace.add(record(moments[5], "slow", moments[5]))
    found = books.pace.changes(moments[2], moments[4])
    assert [change.action for change in found] == ["pause", "run"]


def test_what_overloads_the_machine_again_and_again_waits_and_one_alert_says_so(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "OPENS_AFTER", dict.fromkeys(pace.OPENS_AFTER, 0.0))
    machine, worker = Machine(), Worker(LEFT)
    governed = governor(books, machine, worker)

    def pressure() -> None:
        machine.readings = CRITICAL
        governed.sample()

    def calm() -> Decision:
        machine.readings = FINE
        governed.sample()
        return governed.sample()

    worker.during = pressure
    run(governed)
    assert calm().may_start, "the first time it may begin again once all is calm"
    run(governed)
    held = calm()
    assert not held.may_start and "2 times in a row (memory)" in held.reason
    assert books.alerts.unread() == []
    run(governed)
    [alert] = books.alerts.unread()
    assert alert.kind == "relapse" and "memory is critical" in alert.body and "batch_size" in alert.body
    run(governed)
    assert len(books.alerts.unread()) == 1
    worker.word, worker.during = Done(result={}), lambda: None
    run(governed)
    assert calm().may_start, "work that came to its end has shown that the machine stands it"
