"""Homes to look at, a small one for each test that changes something and a large one to share; and a browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.caller import Caller, owner
from tests.web.household import Household
from tests.web.years import lived_for_years


@pytest.fixture
def household(tmp_path: Path) -> Iterator[Household]:
    """Three runs, two of them live: v2 after v1 after the owner's own v0."""
    made = Household(tmp_path)
    made.settle()
    made.live_through(3, promoted=2)
    yield made
    made.leave()


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    """A thousand jobs, fifty releases, and a training under way."""
    made = lived_for_years(tmp_path_factory.mktemp("large"))
    yield made
    made.leave()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    """The one that all attempts of a file are made on: none may change it."""
    made = Household(tmp_path_factory.mktemp("attacked"))
    made.settle()
    made.live_through(3, promoted=2)
    yield made
    made.leave()


@pytest.fixture(scope="module")
def insider(home: Household) -> Caller:
    """Has a session: what is refused to it is refused for another reason."""
    return owner(home)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from tests.web.chromium import CHROMIUM, playwright

    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens a household's page as its owner would. A complaint on the console fails the test."""
    contexts, complaints = [], []

    def enter(household: Household, **options: Any) -> Any:
        context = chromium.new_context(**{"viewport": {"width": 960, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(household.enter())
        return page

    yield enter
    for context in contexts:
        context.close()
    assert [one for one in complaints if not re.search("status of 40[49]", one)] == []
