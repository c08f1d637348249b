"""Notes that are only in a cloud are told by their status, and never opened."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from jobs.adapters import note_file
from jobs.adapters.note_file import examine, is_evicted, read_content

DATALESS, COMPRESSED = 0x40000000, 0x20


def status(*, size: int = 100, blocks: int = 8, flags: int = 0) -> os.stat_result:
    """As macOS gives it; the flags do not exist elsewhere."""
    return cast(os.stat_result, SimpleNamespace(st_size=size, st_blocks=blocks, st_flags=flags))


@pytest.mark.parametrize(
    ("found", "evicted"),
    [
        (status(), False),
        (status(flags=DATALESS), True),
        (status(blocks=0), True),
        (status(size=0, blocks=0), False),
        (status(blocks=0, flags=COMPRESSED), False),
        (status(blocks=0, flags=COMPRESSED | DATALESS), True),
    ],
)
def test_a_mac_tells_what_is_only_in_the_cloud(found: os.stat_result, evicted: bool) -> None:
    assert is_evicted(found, "darwin") is evicted
    assert not is_evicted(found, "linux")


def test_a_file_without_blocks_is_a_note_like_any_other_on_linux(tmp_path: Path) -> None:
    """Some file systems keep small files in the directory."""
    if sys.platform == "darwin":
        pytest.skip("there it means that the file is only in the cloud")
    sparse = tmp_path / "a.md"
    with sparse.open("wb") as file:
        file.truncate(10)
    assert sparse.stat().st_blocks == 0
    assert read_content(sparse, 1000) == "binary"  # read, and found to be zeros


@pytest.fixture
def on_a_mac(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From then on every file looks dataless, and opening one fails the test."""

    def evict() -> None:
        def forbidden(*_: object) -> int:
            raise AssertionError("a dataless file was opened")

        monkeypatch.setattr(note_file, "is_evicted", lambda found: is_evicted(status(blocks=0), "darwin"))
        monkeypatch.setattr("jobs.adapters.note_file.os.open", forbidden)

    return evict


def test_a_note_in_the_cloud_is_counted_and_never_opened(tmp_path: Path, on_a_mac: Callable[[], None]) -> None:
    (tmp_path / "a.md").write_text("text")
    on_a_mac()
    assert examine(str(tmp_path / "a.md"), None, 1000, 0) == "not-downloaded"


def test_a_known_note_that_was_evicted_stays_known(tmp_path: Path, on_a_mac: Callable[[], None]) -> None:
    (tmp_path / "a.md").write_text("text")
    known = examine(str(tmp_path / "a.md"), None, 1000, 0)
    assert not isinstance(known, str)
    on_a_mac()
    assert examine(str(tmp_path / "a.md"), known, 1000, 0) is known


def test_a_read_that_would_wait_for_the_cloud_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.md").write_text("text")

    def refused(descriptor: int, mode: str) -> None:
        os.close(descriptor)
        raise OSError(errno.EDEADLK, "Resource deadlock avoided")

    monkeypatch.setattr("jobs.adapters.note_file.os.fdopen", refused)
    assert read_content(tmp_path / "a.md", 1000) == "not-downloaded"
