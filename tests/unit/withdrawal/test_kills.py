"""Killed at any step, a withdrawal is gone on with: by the same command, or when the daemon starts."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from jobs.consent.withdrawals import Journal
from jobs.domain.withdrawal import STEPS
from tests.story import SECRET, STORY
from tests.unit.withdrawal.aftermath import all_gone, states
from tests.withdrawing import Household

CALLS = ("replace", "rename", "unlink", "rmdir")
"""Every publication, removal and switch ends in one of these."""
POINTS = 24


@contextmanager
def counting(reached: Callable[[int], None]) -> Iterator[None]:
    """Tells the number of every such call before it is made."""
    count = 0

    def watched(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            reached(count)
            return real(*arguments, **options)

        return call

    with ExitStack() as patches:
        for name in CALLS:
            patches.enter_context(patch.object(os, name, watched(getattr(os, name))))
        yield


def in_a_child(work: Callable[[], None]) -> int:
    """Forked, because what is killed has to be a process of its own. Returns how it ended."""
    if (child := os.fork()) == 0:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1]


def withdraws(house: Household, at: int | None, told: Path) -> Callable[[], None]:
    def reached(number: int) -> None:
        told.write_text(str(number))
        if number == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        with patch("daemon.recover.sweep_temporary"), counting(reached):  # whoever else's folders lie there
            house.types("--document", f"notes/{SECRET}", "--yes")

    return work


@pytest.fixture(scope="session")
def calls(built: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many there are in an undisturbed withdrawal."""
    folder = tmp_path_factory.mktemp("counted").resolve()
    house = Household.moved_in(built, folder / "house")
    assert in_a_child(withdraws(house, None, folder / "told")) == 0
    assert not Journal(house.home.consent).open()
    house.books.database.close()
    return int((folder / "told").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("part", range(POINTS))
def test_killed_anywhere_the_same_command_finishes_it(house: Household, calls: int, part: int, tmp_path: Path) -> None:
    at = 1 + part * (calls - 1) // (POINTS - 1)
    house.books.database.close()
    assert in_a_child(withdraws(house, at, tmp_path / "told")) == signal.SIGKILL, f"call {at} of {calls}"
    done = house.types("--document", f"notes/{SECRET}", "--yes")
    assert done.data["done"] and done.data["found_again"] == (), done.talk
    [one] = Journal(house.home.consent).all()
    assert one.done == STEPS
    assert states(house) == {"v0": "previous", "v1": "live", "v2": "withdrawn", "v3": "withdrawn"}
    assert (house.notes / SECRET).read_text("utf-8") == STORY
    all_gone(house)
    [queued] = [run for run in house.books.history.runs(10) if run.state == "active"]
    assert (queued.target, queued.cause) == ("embedding", "withdrawal")


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_killed_after_any_step_is_noted_the_next_start_finishes_it(house: Household, step: str, tmp_path: Path) -> None:
    """As the daemon's attendant does it at start."""
    real = Journal.write

    def write(self: Journal, one: Any) -> None:
        real(self, one)
        if one.done and one.done[-1] == step:
            os.kill(os.getpid(), signal.SIGKILL)

    house.books.database.close()
    with patch.object(Journal, "write", write):
        ended = in_a_child(withdraws(house, None, tmp_path / "told"))
    assert ended == signal.SIGKILL
    house.attends()
    assert Journal(house.home.consent).open() == []
    assert states(house)["v3"] == "withdrawn" and house.releases.live() == "v1"
    all_gone(house)
    assert len(list((house.home.consent / "receipts").glob("*.json"))) == 1
