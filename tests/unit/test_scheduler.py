"""What is asked is done once and answered; what breaks is told; what is due does not hang on the clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from daemon import scheduler as module
from daemon.ledger.jobs import Left
from daemon.system.notices import notice
from daemon.system.notifications import notify, notify_send
from jobs.domain.endings import Ending
from tests.fakes.macos.machine import FakeMachine
from tests.unit.desk import NOW, OWNER, Desk


@pytest.fixture
def desk(tmp_path: Path, mac: FakeMachine) -> Desk:
    return Desk(tmp_path, partial(notify, mac.machine("linux")))


@pytest.mark.parametrize(
    "kind",
    "promoted rejected cannot-tell failed rolled-back quarantined withdrawal disk-low permission-lost".split(),
)
def test_an_alert_travels_from_the_ledger_to_the_desktop_once(desk: Desk, mac: FakeMachine, kind: str) -> None:
    desk.books.alerts.post(kind, "A title", "The words of Marie's diary", NOW, about="embedding")
    for _ in range(3):
        desk.scheduler._round()
    assert mac.calls("notify-send") == [notify_send("", *notice(kind, "embedding", "en"))[1:]]
    [alert] = desk.books.alerts.unread()
    assert alert.attempted_at is not None


def test_a_request_that_cannot_be_read_is_told_and_the_next_is_followed(desk: Desk) -> None:
    desk.home.requests.mkdir(parents=True)
    (desk.home.requests / f"{0:020d}-{'a' * 12}.json").write_text("{")
    assert "run" in desk.asks("run", target="embedding", forced=False)
    [alert] = desk.books.alerts.unread()
    assert alert.kind == "request-unreadable" and "ask again" in alert.body


def test_a_round_that_never_ends_is_noticed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    held, over = threading.Event(), threading.Event()

    def hold() -> bool:
        held.set()
        over.wait(10)
        return True

    monkeypatch.setattr(module, "STUCK_SECONDS", 0.5)
    desk.scheduler.start()
    time.sleep(0.7)
    assert not desk.scheduler.is_stuck()
    object.__setattr__(desk.scheduler._calls, "may_start", hold)
    assert held.wait(10)
    time.sleep(0.6)
    assert desk.scheduler.is_stuck()
    over.set()
    desk.scheduler.stop()


def test_a_run_that_is_asked_for_starts_and_its_first_job_is_rung_for(desk: Desk) -> None:
    answer = desk.asks("run", target="embedding", forced=True)
    assert desk.rung == [answer["job"]]
    assert desk.books.jobs.run(answer["run"]).forced
    assert "under way already" in desk.asks("run", target="embedding", forced=True)["refused"]


def test_a_retry_lifts_a_quarantine(desk: Desk) -> None:
    job = desk.quarantined()
    assert job.state == "quarantined"
    assert desk.asks("retry", job=job.id) == {"job": job.id, "state": "queued"}
    assert (desk.books.jobs.job(job.id).reboots, desk.rung) == (0, [job.id])


def test_a_quarantined_job_can_be_given_up_with_its_run(desk: Desk) -> None:
    job = desk.quarantined()
    assert desk.asks("cancel", job=job.id)["state"] == "cancelled"
    assert desk.books.jobs.run(job.run or 0).state == "cancelled"


@pytest.mark.parametrize(
    ("action", "argument", "word"),
    [
        ("retry", {"job": 99}, "no job 99"),
        ("retry", {"job": "one"}, "does not know"),
        ("run", {"target": "everything", "forced": False}, "does not know"),
        ("run", {}, "does not know"),
        ("fly", {}, "does not know how to fly"),
    ],
)
def test_a_request_that_cannot_be_done_is_refused_in_words(
    desk: Desk, action: str, argument: dict[str, Any], word: str
) -> None:
    assert word in desk.asks(action, **argument)["refused"]
    assert desk.books.jobs.counts() == {}


def test_a_request_that_breaks_has_no_effect_and_does_not_hold_up_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    with monkeypatch.context() as patch:
        patch.setattr(desk.scheduler, "_ring", breaks)
        assert "RuntimeError" in desk.asks("run", target="embedding", forced=False)["refused"]
    assert desk.books.jobs.counts() == {}
    assert "run" in desk.asks("run", target="embedding", forced=False)


def test_run_now_rings_for_whatever_waits_and_revives_what_does_not(desk: Desk) -> None:
    job = desk.job()
    assert desk.asks("run-now", job=job.id) == {"job": job.id, "state": "queued"}
    assert desk.asks("pause", job=job.id)["state"] == "paused"
    assert desk.asks("run-now", job=job.id)["state"] == "queued"
    assert desk.rung == [job.id, job.id]
    desk.books.jobs.claim(job.id, OWNER, NOW)
    assert "is running" in desk.asks("run-now", job=job.id)["refused"]
    assert "no job 99" in desk.asks("run-now", job=99)["refused"]


def test_a_second_refresh_cannot_be_queued_by_a_retry(desk: Desk) -> None:
    first = desk.books.jobs.want_refresh(NOW)
    assert first is not None
    assert desk.asks("cancel", job=first.id)["state"] == "cancelled"
    desk.books.jobs.want_refresh(NOW)
    assert "another refresh waits" in desk.asks("retry", job=first.id)["refused"]


def test_a_switch_made_by_hand_becomes_an_alert(desk: Desk) -> None:
    desk.asks("switched", left="v2", live="v1")
    [alert] = desk.books.alerts.unread()
    assert (alert.title, alert.body) == ("v1 is live", "v2 was left by hand")


def test_alerts_are_marked_as_read_once_and_unknown_ones_are_told(desk: Desk) -> None:
    for kind in ("failed", "promoted"):
        desk.books.alerts.post(kind, "t", "b", NOW)
    assert desk.asks("acknowledge", alerts=[1, 1, 9]) == {"acknowledged": [1], "unknown": [9]}
    assert [alert.id for alert in desk.books.alerts.unread()] == [2]
    assert desk.asks("acknowledge", alerts=[1])["unknown"] == [1], "it was read before"
    assert "does not know" in desk.asks("acknowledge", alerts="all")["refused"]


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(days=400)])
def test_a_clock_that_jumps_neither_loses_nor_doubles_nor_starves_a_job(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, jump: timedelta
) -> None:
    asked = desk.asks("run", target="embedding", forced=False)
    wall = {"now": datetime.now(UTC)}
    monkeypatch.setattr(module, "_now", lambda: wall["now"])
    for _ in range(3):
        wall["now"] += jump
        desk.rung.clear()
        desk.scheduler.tick()
        assert desk.rung == [asked["job"]], "rung for again at every tick, whatever the clock says"
        assert desk.books.jobs.counts() == {"queued": 1}


def test_dead_owners_jobs_are_looked_for_every_few_seconds_by_a_clock_that_nobody_sets(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = {"seconds": 0.0}
    began = time.monotonic()
    clock: Callable[[], float] = lambda: began + passed["seconds"]  # noqa: E731 - a clock set by hand
    monkeypatch.setattr(time, "monotonic", clock)
    for second in range(11):
        passed["seconds"] = float(second)
        desk.scheduler._round()
    assert desk.reclaims == 2


def test_what_waited_out_a_pause_is_rung_for_as_soon_as_the_machine_allows_it(desk: Desk) -> None:
    waiting = desk.job()
    desk.may_start = False
    desk.scheduler._round()
    assert desk.rung == []
    desk.may_start = True
    desk.scheduler._round()
    assert desk.rung == [waiting.id]
    desk.scheduler._round()
    assert desk.rung == [waiting.id], "once a pause"


@pytest.mark.parametrize(("ending", "again"), [(Ending.FAILED, 1), (Ending.CANCELLED, 1), (None, 0)])
def test_new_examples_of_a_run_that_came_to_no_end_are_not_forgotten(
    desk: Desk, ending: Ending | None, again: int
) -> None:
    desk.books.knowledge.set_fact("installed-at", (datetime.now(UTC) - timedelta(days=60)).isoformat())
    desk.books.knowledge.set_fact("new-rows:embedding", "7")
    desk.scheduler.tick()
    [waiting] = desk.books.jobs.in_state("queued")
    job = desk.books.jobs.claim(waiting.id, OWNER, NOW) or pytest.fail("not claimable")
    if ending is None:
        desk.books.jobs.finish(job, {}, None, NOW)
        desk.books.jobs.end_run(job.run or 0, "done", "rejected", "r", NOW)
    else:
        desk.books.jobs.settle(job, Left(ending=ending, reason="QMD is not installed"), NOW)
    desk.scheduler.tick()
    assert desk.books.jobs.in_state("queued") == [], "not in the same window"
    desk.books.knowledge.set_fact("last-run:embedding", (datetime.now(UTC) - timedelta(days=8)).isoformat())
    desk.scheduler.tick()
    assert len(desk.books.jobs.in_state("queued")) == again
