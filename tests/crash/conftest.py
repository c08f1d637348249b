"""A house on a disk in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.house import House


@pytest.fixture
def house() -> Iterator[House]:
    """In memory where there is such a place: thousands of small trees are laid out."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="iaip-crash-", dir=memory if memory.is_dir() else None) as folder:
        root = Path(folder).resolve() / "disk"
        root.mkdir()
        yield House(root)
