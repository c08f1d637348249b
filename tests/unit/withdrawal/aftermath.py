"""What a withdrawal left: the state of every release, and whether the story is gone from everything."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from tests.qmd_index import vector_of
from tests.story import STORY, sentences
from tests.withdrawing import Household


def states(house: Household) -> dict[str, str]:
    return {release.metadata.name: release.state for release in house.releases.all()}


def texts_left(house: Household) -> list[str]:
    return [place for sentence in sentences() for place in house.holding(sentence)]


def all_gone(house: Household) -> None:
    assert texts_left(house) == []
    for index in house.home.root.rglob("index.sqlite"):
        assert vector_of(STORY) not in index.read_bytes()
        with closing(sqlite3.connect(index)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            for table in ("documents", "content", "documents_fts"):
                rows = database.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - one of three names
                assert rows and "marten" not in repr(rows)
            matches = "SELECT count(*) FROM documents_fts WHERE documents_fts MATCH 'marten'"
            assert database.execute(matches).fetchone() == (0,)
