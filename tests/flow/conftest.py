"""What the flows begin with: a person at the command line, a watcher at its desk, a ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.ledger.books import Books, open_books
from tests.flow.desk import Desk
from tests.flow.person import Person


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path)


@pytest.fixture
def settled(person: Person) -> Person:
    """After ``iaipctl init``."""
    assert person.types("init").returncode == 0
    return person


@pytest.fixture
def make_desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    desks: list[Desk] = []

    def made(**settings: float) -> Desk:
        desks.append(Desk(tmp_path, **settings))
        return desks[-1]

    yield made
    for desk in desks:
        desk.watcher.stop()
        desk.books.database.close()


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    found = make_desk()
    found.starts()
    return found


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return open_books(tmp_path / "ledger.sqlite")
