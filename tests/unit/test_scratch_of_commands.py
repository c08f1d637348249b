"""What a command works in stays while it works, whoever tidies up meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from config.load import load_settings
from config.paths import Home
from daemon.cli.live_search import _scratch
from daemon.housekeeping import Housekeeper
from daemon.ledger.books import open_books
from daemon.recover import sweep
from jobs.releases import Releases


def clear(home: Home) -> None:
    books = open_books(home.ledger)
    releases = Releases(home.releases, lambda live, _: live, lambda _: True)
    Housekeeper(books, home, releases, load_settings(home.config_file).disk, books.database.transaction).clear()


@pytest.mark.parametrize("tidy", [clear, sweep], ids=["housekeeping", "a start of the daemon"])
def test_the_index_copy_of_a_running_search_survives_whoever_tidies_up(
    tmp_path: Path, tidy: Callable[[Home], None]
) -> None:
    home = Home(root=tmp_path)
    home.stages.mkdir()
    with _scratch(home.stages) as folder:
        (folder / "index.sqlite").write_bytes(b"x")
        tidy(home)
        assert (folder / "index.sqlite").exists()
    assert list(home.stages.iterdir()) == []


@pytest.mark.parametrize(
    "place", ["consent/withdrawals/records", "consent/receipts", "evaluation/mine", "left-out", "requests"]
)
def test_what_a_killed_command_was_writing_is_swept_by_a_later_start(tmp_path: Path, place: str) -> None:
    """It may hold a query's text, which no withdrawal would find there."""
    half, whole = tmp_path / place / ".stage-queries.jsonl-1234", tmp_path / place / "queries.jsonl"
    half.parent.mkdir(parents=True)
    for file in (half, whole):
        file.write_text("what the elders asked")
    sweep(Home(root=tmp_path))
    assert half.exists(), "somebody may be writing it"
    os.utime(half, (0, 0))
    sweep(Home(root=tmp_path))
    assert not half.exists() and whole.exists()
