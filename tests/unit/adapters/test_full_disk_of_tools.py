"""A foreign tool that finds no room: told as a full disk, so that its job waits, and not as the tool's own failure."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest

from jobs.adapters.processes import run_to_end
from jobs.adapters.qmd_process import failure
from jobs.domain.errors import DiskFull, ToolFailed

FULL = [
    "OSError: [Errno 28] No space left on device",
    "SqliteError: database or disk is full (SQLITE_FULL)",
    "Error: ENOSPC: no space left on device, write",
]


@pytest.mark.parametrize("words", FULL)
def test_a_tool_that_finds_no_room_is_a_full_disk(tmp_path: Path, words: str) -> None:
    tool = partial(run_to_end, name="the converter", environment={}, timeout=30.0, cwd=tmp_path, remedy="look")
    with pytest.raises(DiskFull):
        tool([sys.executable, "-c", "import sys; sys.exit(sys.argv[1])", words])
    with pytest.raises(ToolFailed, match="the converter ended with code 1: another reason"):
        tool([sys.executable, "-c", "import sys; sys.exit('another reason')"])


@pytest.mark.parametrize("words", FULL)
def test_qmd_that_finds_no_room_is_a_full_disk(words: str) -> None:
    assert isinstance(failure("QMD failed", words), DiskFull)
    other = failure("QMD failed", "no such model")
    assert isinstance(other, ToolFailed) and other.message == "QMD failed: no such model"
