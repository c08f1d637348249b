"""Where the real tools are that a test runs, or that it is skipped for want of one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.domain.errors import ToolFailed


def tool(find: Callable[[str], Path], variable: str) -> Path:
    try:
        return find(os.environ.get(variable, ""))
    except ToolFailed as missing:
        pytest.skip(missing.message)
