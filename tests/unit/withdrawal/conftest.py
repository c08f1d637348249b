"""A household in which a story was learnt, built once and moved in for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.withdrawing import Household, with_story


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built").resolve()
    with_story(folder).books.database.close()
    return folder


@pytest.fixture
def house(built: Path, tmp_path: Path) -> Iterator[Household]:
    found = Household.moved_in(built, tmp_path.resolve() / "house")
    yield found
    found.books.database.close()
