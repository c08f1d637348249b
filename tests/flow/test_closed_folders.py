"""A folder that macOS closed, or that is not mounted: the two are told apart, and nothing is forgotten."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon import watch
from daemon.system.folders import probe_folder
from tests.flow.desk import Desk


@pytest.fixture
def still(tmp_path: Path) -> Iterator[Desk]:
    """A watcher whose thread does not run: it scans when it is told."""
    found = Desk(tmp_path)
    yield found
    found.watcher._lookout.close()
    found.books.database.close()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_a_folder_that_macos_closes_is_told_once_and_forgets_nothing(still: Desk, monkeypatch, number: int) -> None:
    desk = still
    desk.watcher.scan_now("start")
    known = desk.known()
    real = os.scandir

    def shut(path: Any = ".") -> Any:
        if str(path).startswith(str(desk.notes)):
            raise OSError(number, os.strerror(number))
        return real(path)

    with monkeypatch.context() as closed:
        closed.setattr(os, "scandir", shut)
        closed.setattr(watch, "probe_folder", lambda path: probe_folder(path, shut))
        for _ in range(2):
            last = desk.watcher.scan_now("time")
        assert last.closed == {"notes": 1}
    assert [alert.kind for alert in desk.books.alerts.unread()] == ["permission-lost"]
    assert desk.known() == known
    assert desk.watcher.scan_now("time").closed == {}


def test_a_folder_that_is_not_mounted_is_not_taken_for_a_closed_one(still: Desk) -> None:
    desk = still
    desk.watcher.scan_now("start")
    desk.notes.rename(desk.notes.with_name("away"))
    assert desk.watcher.scan_now("time").closed == {}
    assert "permission-lost" not in [alert.kind for alert in desk.books.alerts.unread()]
