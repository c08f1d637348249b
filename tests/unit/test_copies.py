"""Copies of the ledger: one a day, told once where none can be made, and never one of a broken ledger."""

from __future__ import annotations

import errno
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from daemon.ledger import snapshots
from daemon.system.notifications import notify
from tests.fakes.macos.machine import FakeMachine
from tests.unit.desk import NOW, Desk


@pytest.fixture
def desk(tmp_path: Path, mac: FakeMachine) -> Desk:
    return Desk(tmp_path, partial(notify, mac.machine("linux")))


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
    Desk(desk.home.root, lambda kind, about: None).scheduler.tick()
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
