"""Huey's bell: JSON on disk, never a pickle, and a job id is all it carries."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from daemon.ledger.database import Damaged
from daemon.tasks import Bell


def test_a_ring_is_json_with_a_job_id(tmp_path: Path) -> None:
    bell = Bell(tmp_path / "bell.sqlite", lambda job: [])
    bell.ring(7)
    with closing(sqlite3.connect(tmp_path / "bell.sqlite")) as connection:
        [(data,)] = connection.execute("SELECT data FROM task").fetchall()
    assert json.loads(data)["args"] == [7]


def test_a_rung_job_is_executed_and_its_followers_ring(tmp_path: Path) -> None:
    done: list[int] = []

    def execute(job: int) -> list[int]:
        done.append(job)
        return [job + 1] if job < 3 else []

    bell = Bell(tmp_path / "bell.sqlite", execute)
    bell.ring(1)
    huey = bell._huey
    while (task := huey.dequeue()) is not None:
        huey.execute(task)
    assert done == [1, 2, 3]


def test_a_ring_is_heard_by_whoever_listens_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.tasks.LISTENS_SECONDS", 300.0)
    bell, heard = Bell(tmp_path / "bell.sqlite", lambda job: []), list[tuple[int, ...]]()

    def listen() -> None:
        heard.append(bell._huey.dequeue().args)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    time.sleep(0.05)
    assert heard == []
    bell.ring(7)
    listener.join(30.0)
    assert heard == [(7,)]


@pytest.mark.parametrize("content", [b"not a database " * 500, b"", None])
def test_whatever_lies_where_the_bell_should_be_is_made_anew(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bell.sqlite"
    if content is None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE task (recipes TEXT)")
    else:
        path.write_bytes(content)
    path.with_name("bell.sqlite-wal").write_bytes(b"frames of another file")
    done: list[int] = []

    def execute(job: int) -> list[int]:
        done.append(job)
        return []

    bell = Bell(path, execute)
    bell.ring(7)
    huey = bell._huey
    huey.execute(huey.dequeue())
    assert done == [7]


def test_a_bell_that_breaks_while_it_is_in_use_is_noticed_and_made_anew_by_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "bell.sqlite"
    bell = Bell(path, lambda job: [])
    bell.ring(7)
    bell.require_whole()
    path.write_bytes(b"not a database " * 5000)
    with pytest.raises(Damaged, match="bell"):
        bell.require_whole()
    Bell(path, lambda job: []).require_whole()


def test_a_bell_that_another_program_holds_is_not_broken(tmp_path: Path) -> None:
    bell = Bell(tmp_path / "bell.sqlite", lambda job: [])
    bell._huey.storage.timeout = 0.1
    with closing(sqlite3.connect(tmp_path / "bell.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        bell.require_whole()
