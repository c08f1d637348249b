"""The daemon asks about the disk's encryption once a day; ``status`` tells what it heard and asks nobody."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.paths import Home
from daemon.checks.daily import Daily
from daemon.checks.finding import Finding, ok, warn
from daemon.cli import status
from daemon.cli.root import Context
from daemon.ledger.books import Books, open_books

OPEN = warn("the disk is not encrypted", "switch it on")


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    opened = open_books(Home(root=tmp_path).ledger)
    yield opened
    opened.database.close()


def disk_line(home: Path) -> str:
    told = status.run(argparse.Namespace(), Context(Home(root=home)))
    return next(line for line in told.text.splitlines() if line.startswith("disk"))


def test_it_is_asked_at_the_start_and_again_after_a_day(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, asked = [0.0], []

    def encryption() -> Finding:
        asked.append(clock[0])
        return OPEN

    monkeypatch.setattr("daemon.checks.daily.time.monotonic", lambda: clock[0])
    checks = Daily(books, encryption)
    for hour in range(49):
        clock[0] = hour * 3600.0
        checks.tick()
    assert asked == [0.0, 86_400.0, 172_800.0]


def test_status_says_when_the_disk_is_open(books: Books, tmp_path: Path) -> None:
    Daily(books, lambda: OPEN).tick()
    assert disk_line(tmp_path).endswith("the disk is not encrypted: see `iaipctl doctor encryption`")


@pytest.mark.parametrize("heard", [ok("encrypted"), None])
def test_status_says_nothing_of_an_encrypted_disk_or_before_it_was_asked(
    books: Books, tmp_path: Path, heard: Finding | None
) -> None:
    if heard is not None:
        Daily(books, lambda: heard).tick()
    assert "encrypt" not in disk_line(tmp_path)
