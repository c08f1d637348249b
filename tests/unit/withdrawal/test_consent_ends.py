"""A consent that ends: for good, with all that stood on it, and with nothing that another one still allows."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from daemon.cli.result import DONE
from jobs.consent.book import ConsentBook
from tests.story import ADA, SECRET
from tests.unit.withdrawal.aftermath import all_gone
from tests.withdrawing import Household


@pytest.mark.parametrize("words", [("--consent", "ada"), ("--consent", "Ada.toml"), ("--person", "ada nanibush")])
def test_a_consent_ends_for_good_and_what_stood_on_it_goes(house: Household, words: tuple[str, str]) -> None:
    done = house.types(*words, "--yes")
    assert (done.code, done.data["releases"], done.data["live"]) == (DONE, ("v2", "v3"), "v1"), done.talk
    assert done.data["counts"]["keys"] == 1
    all_gone(house)
    assert not (house.home.consent / "ada.toml").exists()
    assert ConsentBook(house.home.consent).changes() == {}
    dataset = house.dataset()
    assert dataset is not None and dataset.manifest.denied == {"no consent of a person": 1}


def test_an_ended_consent_counts_again_only_in_other_words(house: Household) -> None:
    house.types("--consent", "ada", "--yes")
    book = ConsentBook(house.home.consent)
    same = ADA.format(folder="notes/elders")
    (house.home.consent / "ada.toml").write_text(same)
    assert book.changes() == {} and book.import_changes("a test", house.now()) == []
    house.consent("ada.toml", same.replace("2025-01-01", "2026-01-01"))
    dataset = house.dataset()
    assert dataset is not None and dataset.manifest.denied == {}


def test_a_consent_folder_put_back_from_a_backup_brings_no_ended_consent_back(house: Household) -> None:
    names = ("log.jsonl", "head", "ada.toml")
    backup = {name: (house.home.consent / name).read_bytes() for name in names}
    house.types("--consent", "ada", "--yes")
    for name, content in backup.items():
        (house.home.consent / name).write_bytes(content)
    assert ConsentBook(house.home.consent).chain().problem == ""
    dataset = house.dataset()
    assert dataset is not None and dataset.manifest.denied == {"no consent of a person": 1}
    house.attends()
    dataset = house.dataset()
    assert dataset is not None and dataset.manifest.denied == {"no consent of a person": 1}


def test_a_document_that_another_consent_still_allows_stays_searchable(house: Household) -> None:
    other = ADA.format(folder="notes/elders").replace("Ada Nanibush", "Ben Kwe")
    house.consent("ben.toml", other)
    done = house.types("--consent", "ada", "--yes")
    assert (done.data["live"], done.data["documents"]) == ("v1", 0)
    live = house.releases.current / "index" / "index.sqlite"
    with closing(sqlite3.connect(live)) as index:
        assert index.execute("SELECT count(*) FROM documents WHERE path = ?", (SECRET,)).fetchone() == (1,)
    dataset = house.dataset()
    assert dataset is not None and dataset.manifest.denied == {}


def test_a_consent_ends_with_a_broken_log_too(house: Household) -> None:
    (house.home.consent / "head").write_text("0" * 63 + "1")
    done = house.types("--consent", "ada", "--yes")
    assert (done.code, done.data["live"]) == (DONE, "v1"), done.talk
