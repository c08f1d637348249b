"""What the deploy stage does about a release that was published, tried or taken back by an earlier attempt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from jobs.deploy import try_out
from jobs.domain.results import DeployResult
from jobs.wire import Done
from tests.crash.house import House


class Search:
    """Finds nothing wrong, unless told to; ``meanwhile`` happens during the health check."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def refresh(self, configuration: Path, index: Path, queries: object) -> list[str]:
        self.meanwhile()
        return self.problems


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    house.with_releases(1)
    house.publish()
    return house


@pytest.fixture
def search() -> Search:
    return Search()


def deployed(house: House, search: Search) -> Done:
    """Of the run whose release is v2."""
    workshop: Any = SimpleNamespace(releases=house.releases, search=search, phase=lambda *_: None)
    return try_out("v2", ["canoe"], workshop, lambda: workshop.releases.switch("v2"))


def test_a_healthy_release_stays(house: House, search: Search) -> None:
    done = deployed(house, search)
    assert done.ends_run is None
    assert house.releases.release("v2").state == "live"
    assert deployed(house, search).ends_run is None, "again, because its last word was lost"


def test_an_unhealthy_release_is_taken_back_once_and_for_all(house: House, search: Search) -> None:
    search.problems = ["no answer"]
    done = deployed(house, search)
    assert done.ends_run == "rolled-back: v2 was not healthy (no answer); v1 is live again"
    search.problems = []
    again = deployed(house, search)
    assert again.ends_run == "rolled-back: v2 was found unhealthy; v1 stays live"


def test_what_the_owner_took_back_during_the_trial_stays_back(house: House, search: Search) -> None:
    search.meanwhile = house.releases.roll_back
    done = deployed(house, search)
    assert done.ends_run == "rolled-back: v2 was taken back during its trial; v1 stays live"
    assert msgspec.json.decode(msgspec.json.encode(done.result), type=DeployResult).live is False
    assert house.releases.live() == "v1"


def test_an_interrupted_trial_is_tried_again(house: House, search: Search) -> None:
    house.releases.switch("v2")
    assert house.releases.recover() == "v2"
    states: list[str] = []
    search.meanwhile = lambda: states.append(house.releases.release("v2").state)
    assert deployed(house, search).ends_run is None
    assert states == ["trial"], "the second attempt is a trial as well"
