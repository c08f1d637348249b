"""An index is copied whole, or what was there stays."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from jobs.domain.errors import BadInput, ToolFailed
from jobs.index_file import check_index, copy_index


def make_index(path: Path, word: str) -> None:
    with closing(sqlite3.connect(path)) as index:
        index.execute("CREATE TABLE documents (word)")
        index.execute("INSERT INTO documents VALUES (?)", (word,))
        index.commit()


def word_in(path: Path) -> str:
    with closing(sqlite3.connect(path)) as index:
        return str(index.execute("SELECT word FROM documents").fetchone()[0])


def test_a_copy_that_fails_leaves_the_index_that_was_there(tmp_path: Path) -> None:
    source, target = tmp_path / "new.sqlite", tmp_path / "old.sqlite"
    make_index(source, "new")
    make_index(target, "old")
    with closing(sqlite3.connect(source)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ToolFailed):
            copy_index(source, target, patience=0.1)
    assert word_in(target) == "old"
    copy_index(source, target)
    assert word_in(target) == "new"


def test_a_reader_in_the_middle_of_a_search_sees_old_or_new(tmp_path: Path) -> None:
    source, target = tmp_path / "new.sqlite", tmp_path / "old.sqlite"
    make_index(source, "new")
    make_index(target, "old")
    with closing(sqlite3.connect(target)) as reader:
        assert reader.execute("SELECT word FROM documents").fetchone() == ("old",)
        copy_index(source, target)
        assert reader.execute("SELECT word FROM documents").fetchone() == ("new",)


def test_an_index_is_checked_without_reading_it_all(tmp_path: Path) -> None:
    check_index(tmp_path / "none.sqlite")
    make_index(tmp_path / "good.sqlite", "good")
    check_index(tmp_path / "good.sqlite")
    (tmp_path / "bad.sqlite").write_bytes(b"no index " * 500)
    with pytest.raises(BadInput, match="not a usable QMD index"):
        check_index(tmp_path / "bad.sqlite")
