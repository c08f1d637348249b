"""Homes to look at: a small one for each test that changes something, a large one to share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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
