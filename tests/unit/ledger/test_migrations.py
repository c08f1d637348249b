"""Every earlier ledger comes forward with all that was in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from daemon.ledger.books import open_books, read_books
from daemon.ledger.schema import MIGRATIONS
from jobs.domain.errors import BadInput

POPULATION = (
    "INSERT INTO fact VALUES ('installed-at', '2026-01-01T00:00:00+00:00')",
    "INSERT INTO document VALUES ('notes', 'a.md', 1, 2, 3, 'abc')",
    "INSERT INTO run (target, cause, created_at) VALUES ('embedding', 'c', '2026-01-01T00:00:00+00:00')",
    "INSERT INTO job (run, stage, target, state, attempts, lease, result, created_at)"
    " VALUES (1, 'dataset', 'embedding', 'done', 1, 4, '{\"dataset\":\"d\"}', '2026-01-01T00:00:00+00:00')",
    "INSERT INTO job (run, stage, target, state, attempts, lease, owner_boot, owner_pid, owner_started, stop_wanted,"
    " created_at) VALUES (1, 'train', 'embedding', 'running', 2, 2, 'b', 7, 1.5, 'pause', '2026-01-01T00:00:00+00:00')",
    "INSERT INTO job (stage, state, created_at) VALUES ('dataset', 'queued', '2026-01-01T00:00:00+00:00')",
    "INSERT INTO event (job, at, kind, data) VALUES (2, '2026-01-01T00:00:00+00:00', 'claimed', '{}')",
    "INSERT INTO answer VALUES (1, 'current', 's', 'q', '{\"nDCG@10\": 0.5}', '[\"d\"]', 1.0)",
    "INSERT INTO judgement VALUES ('embedding', 'digest', 1)",
    "INSERT INTO alert (at, kind, title, body) VALUES ('2026-01-01T00:00:00+00:00', 'k', 't', 'b')",
    "INSERT INTO request (at, action, argument) VALUES ('2026-01-01T00:00:00+00:00', 'run', '{}')",
)


def ledger_of(path: Path, version: int) -> Path:
    """A populated ledger as that version left it."""
    with closing(sqlite3.connect(path)) as connection:
        for migration in MIGRATIONS[:version]:
            connection.executescript(migration)
        for statement in POPULATION:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={version}")
        connection.commit()
    return path


def content(path: Path) -> dict[str, set[tuple[object, ...]]]:
    """Every row of every table that the first version had, in its columns."""
    with closing(sqlite3.connect(":memory:")) as first:
        first.executescript(MIGRATIONS[0])
        tables = [row[0] for row in first.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {t: [row[1] for row in first.execute(f"PRAGMA table_info({t})")] for t in tables}
    with closing(sqlite3.connect(path)) as connection:
        return {
            table: set(connection.execute(f"SELECT {', '.join(names)} FROM {table}"))  # noqa: S608 - our own names
            for table, names in columns.items()
            if table != "sqlite_sequence"
        }


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
def test_a_ledger_of_every_earlier_version_comes_forward_whole(tmp_path: Path, version: int) -> None:
    path = ledger_of(tmp_path / "ledger.sqlite", version)
    before = content(path)
    books = open_books(path)
    assert content(path) == before
    assert books.database.rows("PRAGMA foreign_key_check") == []
    assert books.jobs.job(2).stop_wanted == "pause" and books.jobs.job(2).reboots == 0
    assert books.jobs.counts() == {"done": 1, "running": 1, "queued": 1}
    assert [request.action for request in books.requests.waiting()] == ["run"]


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
def test_an_old_ledger_ends_with_the_same_tables_as_a_new_one(tmp_path: Path, version: int) -> None:
    old = open_books(ledger_of(tmp_path / "old.sqlite", version))
    new = open_books(tmp_path / "new.sqlite")
    question = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
    assert list(map(tuple, old.database.rows(question))) == list(map(tuple, new.database.rows(question)))


def test_no_number_is_given_out_twice_after_a_migration(tmp_path: Path) -> None:
    path = ledger_of(tmp_path / "ledger.sqlite", 1)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE sqlite_sequence SET seq = 50 WHERE name IN ('job', 'run')")
        connection.commit()
    with open_books(path).database.transaction() as connection:
        job = connection.execute("INSERT INTO job (stage, run, created_at) VALUES ('dataset', 1, '')").lastrowid
    assert job == 51


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ledger_of(tmp_path / "ledger.sqlite", 1)
    before = content(path)
    monkeypatch.setattr(
        "daemon.ledger.database.MIGRATIONS", (*MIGRATIONS, "CREATE TABLE a (b);\nCREATE TABLE a (b);\n")
    )
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        open_books(path)
    assert content(path) == before
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == 1


def test_a_reader_leaves_bringing_forward_to_the_daemon(tmp_path: Path) -> None:
    path = ledger_of(tmp_path / "ledger.sqlite", 1)
    with pytest.raises(BadInput, match="earlier version") as refusal:
        read_books(path)
    assert "iaipd" in refusal.value.remedy
