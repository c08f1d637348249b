"""What the flows begin with: a person at the command line, a watcher at its desk, a ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.ledger.books import Books, open_books
from jobs.adapters.node import find_converter, find_node, find_qmd
from jobs.domain.errors import ToolFailed
from tests.fakes.macos.machine import fake_machine
from tests.flow.desk import Desk
from tests.flow.owner import Owner, owner_of
from tests.flow.person import Person


@pytest.fixture(scope="session")
def search_tools() -> None:
    """Leaves the test out where QMD or the converter is not installed."""
    try:
        find_node(""), find_qmd(""), find_converter()
    except ToolFailed as missing:
        pytest.skip(f"{missing.message}: {missing.remedy}")


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


@pytest.fixture(params=["darwin", "linux"])
def owner(request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Owner]:
    """On a Mac, then on Linux."""
    with fake_machine(tmp_path / "machine") as fake:
        yield owner_of(tmp_path, fake, request.param, monkeypatch)


@pytest.fixture
def mac_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Owner]:
    with fake_machine(tmp_path / "machine") as fake:
        yield owner_of(tmp_path, fake, "darwin", monkeypatch)
