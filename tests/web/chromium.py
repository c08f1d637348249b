"""The system's Chromium, where there is one, and addresses to open in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from daemon.web.desk import question_address
from tests.web.household import Household

playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser: pip install playwright")
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
IN_CHROMIUM = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine: apt-get install chromium"),
]
Opened = Callable[..., Any]


def at(page: Any, path: str) -> str:
    parts = urlsplit(page.url)
    return f"{parts.scheme}://{parts.netloc}{path}"


def named(path: str, household: Household) -> str:
    """The path with the newest DATASET, or of the first QUESTION to judge."""
    if path == "QUESTION":
        return question_address(household.questions()[0])
    return path.replace("DATASET", household.books.history.newest_dataset("embedding") or "")
