"""A real home with one release, and its keeper."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.paths import Home
from daemon.housekeeping import Housekeeper
from daemon.ledger.books import Books, open_books
from jobs.domain.artifacts import ReleaseMetadata
from jobs.release_publishing import publish_release
from jobs.releases import Releases
from tests.unit.housekeeping.material import KEEP, NOW


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(root=tmp_path / "home")


@pytest.fixture
def books(home: Home) -> Books:
    return open_books(home.ledger)


@pytest.fixture
def releases(home: Home) -> Releases:
    found = Releases(home.releases, lambda live, other: other, lambda _: True)
    found.models.mkdir(parents=True)
    publish_release(found, ReleaseMetadata(name="v0", created_at=NOW, targets={}), "collections: {}\n", Path.touch)
    found.switch("v0")
    found.confirm("v0")
    return found


@pytest.fixture
def keeper(books: Books, home: Home, releases: Releases) -> Housekeeper:
    return Housekeeper(books, home, releases, KEEP, books.database.transaction)
