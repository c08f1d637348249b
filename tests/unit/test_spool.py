"""A request is a file, whole or absent, and is entered once however often the daemon meets it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon import spool
from daemon.ledger.books import Books, open_books

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return open_books(tmp_path / "ledger.sqlite")


def test_a_request_waits_in_the_spool_until_it_is_taken(books: Books, tmp_path: Path) -> None:
    key = spool.put(tmp_path / "requests", "pause", {"job": 3})
    assert [path.stem for path in spool.waiting(tmp_path / "requests")] == [key]
    spool.take(tmp_path / "requests", books.requests, NOW)
    [request] = books.requests.waiting()
    assert (request.action, request.argument) == ("pause", {"job": 3})
    assert spool.waiting(tmp_path / "requests") == []


def test_requests_are_taken_in_the_order_of_asking(books: Books, tmp_path: Path) -> None:
    for job in range(5):
        spool.put(tmp_path, "pause", {"job": job})
    spool.take(tmp_path, books.requests, NOW)
    assert [request.argument["job"] for request in books.requests.waiting()] == list(range(5))


def test_a_daemon_killed_before_it_removed_the_file_does_not_take_it_twice(books: Books, tmp_path: Path) -> None:
    key = spool.put(tmp_path / "requests", "cancel", {"job": 1})
    [path] = spool.waiting(tmp_path / "requests")
    content = path.read_bytes()
    spool.take(tmp_path / "requests", books.requests, NOW)
    path.write_bytes(content)
    spool.take(tmp_path / "requests", books.requests, NOW)
    assert len(books.requests.waiting()) == 1
    books.requests.handled(books.requests.waiting()[0].id, {"state": "cancelled"}, NOW)
    assert books.requests.answer(key) == {"state": "cancelled"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"action": 1, "argument": {}}', b"x" * (1 << 17)])
def test_what_is_no_request_is_set_aside(books: Books, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "requests" / f"{0:020d}-{'a' * 12}.json"
    path.parent.mkdir()
    path.write_bytes(content)
    assert spool.take(tmp_path / "requests", books.requests, NOW) == 1
    assert books.requests.waiting() == []
    assert path.with_suffix(".unreadable").read_bytes() == content and not path.exists()


def test_an_entry_that_cannot_be_read_does_not_keep_the_others_waiting(books: Books, tmp_path: Path) -> None:
    (tmp_path / f"{0:020d}-{'a' * 12}.json").mkdir()
    spool.put(tmp_path, "cancel", {"job": 1})
    assert spool.take(tmp_path, books.requests, NOW) == 1
    assert [request.action for request in books.requests.waiting()] == ["cancel"]
    assert spool.take(tmp_path, books.requests, NOW) == 0


def test_other_files_and_half_written_ones_are_left_alone(books: Books, tmp_path: Path) -> None:
    for name in (".stage-x.json-12345678", "notes.txt"):
        (tmp_path / name).write_text("{}")
    spool.take(tmp_path, books.requests, NOW)
    assert (tmp_path / "notes.txt").exists() and books.requests.waiting() == []
