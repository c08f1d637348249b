"""What is asked is done once and answered; what breaks is told; what is due does not hang on the clock."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from config.load import load_settings
from config.paths import Home
from daemon import scheduler as module
from daemon import spool
from daemon.housekeeping import Clearing
from daemon.ledger import snapshots
from daemon.ledger.books import Books, open_books
from daemon.ledger.database import Damaged
from daemon.ledger.jobs import Left
from daemon.ledger.records import Job, Owner
from daemon.scheduler import Calls, Scheduler, Tell
from daemon.system.notices import notice
from daemon.system.notifications import notify, notify_send
from jobs.consent.book import ConsentBook
from jobs.domain.endings import Ending
from tests.fakes.macos.machine import FakeMachine

NOW = datetime(2026, 1, 2, tzinfo=UTC)
OWNER = Owner(boot="b", pid=1, started=1.0)


class Desk:
    """A scheduler on a real ledger and spool, its rounds made by hand."""

    def __init__(self, folder: Path, tell: Tell) -> None:
        self.home = Home(root=folder)
        self.books: Books = open_books(self.home.ledger)
        self.rung: list[int] = []
        self.damages: list[Damaged] = []
        self.books.database.on_damage = self.damages.append
        self.may_start = True
        self.reclaims = 0
        self.page: str | None = None
        calls = Calls(
            ring=self.rung.append,
            may_start=lambda: self.may_start,
            reclaim=self._reclaim,
            clear_away=lambda: Clearing(items=()),
            open_page=dict,
            page_address=lambda: self.page,
            tell=tell,
        )
        self.scheduler = Scheduler(self.books, self.home, load_settings(self.home.config_file), calls)

    def asks(self, action: str, **argument: Any) -> dict[str, Any]:
        key = spool.put(self.home.requests, action, argument)
        self.scheduler._round()
        answer = self.books.requests.answer(key)
        assert answer is not None
        return answer

    def job(self) -> Job:
        started = self.books.jobs.start_run("embedding", cause="c", forced=False, now=NOW)
        assert started is not None
        return started[1]

    def quarantined(self) -> Job:
        job = self.job()
        for _ in range(2):
            claim = self.books.jobs.claim(job.id, OWNER, NOW) or pytest.fail("not claimable")
            self.books.jobs.settle(claim, Left(ending=Ending.REBOOTED, reason="r"), NOW)
        return self.books.jobs.job(job.id)

    def _reclaim(self) -> list[int]:
        self.reclaims += 1
        return []


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


def test_a_page_that_is_open_travels_with_the_alert(tmp_path: Path) -> None:
    told: list[tuple[str, str, str | None]] = []
    desk = Desk(tmp_path, lambda kind, about, *, page: told.append((kind, about, page)))
    desk.page = "http://127.0.0.1:4/alerts"
    desk.books.alerts.post("switched", "t", "b", NOW, about="v2")
    desk.scheduler._round()
    assert told == [("switched", "v2", desk.page)]


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


def test_the_ledger_is_copied_at_the_first_tick_and_then_once_a_day(desk: Desk) -> None:
    for _ in range(2):
        desk.scheduler.tick()
    assert len(snapshots.listed(desk.home.snapshots)) == 1
    desk.books.knowledge.set_fact(snapshots.TAKEN_AT, (datetime.now(UTC) - timedelta(hours=25)).isoformat())
    desk.scheduler.tick()
    assert len(snapshots.listed(desk.home.snapshots)) == 2


def test_a_copy_that_cannot_be_made_is_told_once_and_tried_again_every_hour(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, passed, tries = time.monotonic(), {"hours": 0.0}, list[float]()
    monkeypatch.setattr(time, "monotonic", lambda: began + 3600 * passed["hours"])
    real = snapshots.take

    def full(*_: object, **__: object) -> None:
        tries.append(passed["hours"])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(snapshots, "take", full)
    for passed["hours"] in (0.0, 0.1, 0.9, 1.1, 1.2, 2.2):
        desk.scheduler.tick()
    assert tries == [0.0, 1.1, 2.2]
    [alert] = desk.books.alerts.unread()
    assert (alert.kind, alert.times) == ("no-snapshot", 1) and "No space left" in alert.body
    monkeypatch.setattr(snapshots, "take", real)
    passed["hours"] = 3.3
    desk.scheduler.tick()
    assert len(snapshots.listed(desk.home.snapshots)) == 1


def test_a_daemon_started_after_a_copy_failed_tries_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(
            snapshots, "take", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error"))
        )
        desk.scheduler.tick()
    Desk(desk.home.root, lambda kind, about, *, page: None).scheduler.tick()
    assert len(snapshots.listed(desk.home.snapshots)) == 1


def test_a_ledger_that_breaks_while_it_is_used_ends_the_daemon_with_no_bad_copy_made(desk: Desk) -> None:
    desk.books.jobs.want_refresh(NOW)
    desk.books.database.row("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(desk.home.ledger.read_bytes())
    content[8192:] = bytes(len(content) - 8192)
    desk.home.ledger.write_bytes(content)
    desk.books.knowledge.moment(snapshots.TAKEN_AT)  # its pages are cached: the daemon itself may notice nothing
    desk.scheduler.tick()
    [damage] = desk.damages
    assert "is damaged" in damage.message
    assert snapshots.listed(desk.home.snapshots) == []


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


def test_a_broken_consent_log_is_said_once_and_loudly_within_a_minute_and_again_when_it_breaks_anew(desk: Desk) -> None:
    book = ConsentBook(desk.home.consent)
    for number in range(3):
        book.note_once("note", f"entry {number}", {}, NOW)
    whole = book.log.read_bytes()

    def told(content: bytes) -> list[tuple[str, int]]:
        book.log.write_bytes(content)
        desk.scheduler._look_at_the_consent_log(NOW)
        return [(alert.title, alert.times) for alert in desk.books.alerts.unread() if alert.kind == "consent-broken"]

    damaged = whole.replace(b"entry 1", b"entry 7")
    assert told(whole) == []
    assert told(damaged) == told(damaged) == [("The consent log is broken", 1)]
    assert told(whole) == told(whole) == [("The consent log is broken", 1)]
    assert told(damaged) == [("The consent log is broken", 2)]
    assert "No consent counts until it is whole" in desk.books.alerts.unread()[0].body


def test_a_consent_log_that_was_put_back_as_it_once_was_is_noticed(desk: Desk) -> None:
    book = ConsentBook(desk.home.consent)
    book.note_once("note", "an import", {}, NOW)
    before = {path: path.read_bytes() for path in (book.log, book.folder / "head")}
    book.note_once("note", "a withdrawal", {}, NOW)
    desk.scheduler._look_at_the_consent_log(NOW)
    assert desk.books.alerts.unread() == []
    for path, content in before.items():
        path.write_bytes(content)
    for _ in range(2):
        desk.scheduler._look_at_the_consent_log(NOW)
        [alert] = desk.books.alerts.unread()
        assert (alert.kind, alert.times) == ("consent-broken", 1) and "missing" in alert.body
