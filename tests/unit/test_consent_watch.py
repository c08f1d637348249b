"""A consent log that is broken, or was put back, is told of."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.consent_watch import look_at_the_log
from daemon.ledger.records import Owner
from jobs.consent.book import ConsentBook
from tests.unit.desk import NOW, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, lambda kind, about: None)


def test_a_broken_consent_log_is_said_once_and_loudly_within_a_minute_and_again_when_it_breaks_anew(desk: Desk) -> None:
    book = ConsentBook(desk.home.consent)
    for number in range(3):
        book.note_once("note", f"entry {number}", {}, NOW)
    whole = book.log.read_bytes()

    def told(content: bytes) -> list[tuple[str, int]]:
        book.log.write_bytes(content)
        look_at_the_log(desk.books, desk.home.consent, NOW)
        return [(alert.title, alert.times) for alert in desk.books.alerts.unread() if alert.kind == "consent-broken"]

    damaged = whole.replace(b"entry 1", b"entry 7")
    assert told(whole) == []
    assert told(damaged) == told(damaged) == [("The consent log is broken", 1)]
    assert told(whole) == told(whole) == [("The consent log is broken", 1)]
    assert told(damaged) == [("The consent log is broken", 2)]
    assert "No consent counts until it is whole" in desk.books.alerts.unread()[0].body


def test_running_jobs_leave_when_the_consent_log_breaks(desk: Desk) -> None:
    book = ConsentBook(desk.home.consent)
    for number in range(3):
        book.note_once("note", f"entry {number}", {}, NOW)
    started = desk.books.jobs.start_run("embedding", cause="test", forced=False, now=NOW)
    assert started is not None
    running = desk.books.jobs.claim(started[1].id, Owner(boot="boot", pid=1, started=1.0), NOW)
    assert running is not None
    look_at_the_log(desk.books, desk.home.consent, NOW)
    assert desk.books.jobs.job(running.id).stop_wanted is None
    book.log.write_bytes(book.log.read_bytes().replace(b"entry 1", b"entry 7"))
    look_at_the_log(desk.books, desk.home.consent, NOW)
    assert desk.books.jobs.job(running.id).stop_wanted == "stop"


def test_a_consent_log_that_was_put_back_as_it_once_was_is_noticed(desk: Desk) -> None:
    book = ConsentBook(desk.home.consent)
    book.note_once("note", "an import", {}, NOW)
    before = {path: path.read_bytes() for path in (book.log, book.folder / "head")}
    book.note_once("note", "a withdrawal", {}, NOW)
    look_at_the_log(desk.books, desk.home.consent, NOW)
    assert desk.books.alerts.unread() == []
    for path, content in before.items():
        path.write_bytes(content)
    for _ in range(2):
        look_at_the_log(desk.books, desk.home.consent, NOW)
        [alert] = desk.books.alerts.unread()
        assert (alert.kind, alert.times) == ("consent-broken", 1) and "missing" in alert.body
