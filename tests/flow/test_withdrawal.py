"""`iaipctl withdraw` beside a living daemon: it stops the releases at once, and the daemon does the rest."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.system.lock import running_pid
from jobs.consent.withdrawals import Journal
from jobs.domain.withdrawal import STEPS
from tests.story import SECRET, STORY, sentences
from tests.withdrawing import Household, with_story

pytestmark = pytest.mark.slow


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Household]:
    found = with_story(tmp_path.resolve() / "house")
    found.books.database.close()
    yield found


def starts(house: Household) -> subprocess.Popen[bytes]:
    with (house.folder / "iaipd.log").open("ab") as log:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "daemon", "--home", str(house.home.root)], stdout=log, stderr=log, env=os.environ
        )
    until(lambda: running_pid(house.home.daemon_lock) == daemon.pid, house)
    return daemon


def until(condition: object, house: Household, seconds: float = 90.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, (house.folder / "iaipd.log").read_text()[-3000:]
        time.sleep(0.05)


def types(house: Household, *words: str) -> dict[str, object]:
    command = [sys.executable, "-m", "daemon.cli", "--home", str(house.home.root), "--json", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_with_the_daemon_up_it_is_stopped_at_once_and_finished_by_the_daemon(house: Household) -> None:
    daemon = starts(house)
    try:
        told = types(house, "withdraw", "--document", str(house.notes / SECRET), "--yes")
        assert (told["live"], told["releases"]) == ("v1", ["v2", "v3"]), told
        journal = Journal(house.home.consent)
        until(lambda: not journal.read("w1").open, house)
        assert types(house, "withdraw", "--document", str(house.notes / SECRET), "--yes")["done"]
    finally:
        daemon.terminate()
        daemon.wait(timeout=60)
    assert [place for sentence in sentences() for place in house.holding(sentence)] == []
    assert (house.notes / SECRET).read_text("utf-8") == STORY


def test_a_daemon_killed_in_the_middle_goes_on_at_its_next_start(house: Household) -> None:
    daemon = starts(house)
    command = [sys.executable, "-m", "daemon.cli", "--home", str(house.home.root)]
    with subprocess.Popen([*command, "withdraw", "--consent", "ada", "--yes"], stdout=subprocess.DEVNULL) as asking:
        journal = Journal(house.home.consent)
        until(lambda: bool(journal.all()) and len(journal.read("w1").done) > 2, house)
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
        asking.kill()
    again = starts(house)
    try:
        until(lambda: journal.read("w1").done == STEPS, house)
    finally:
        again.terminate()
        again.wait(timeout=60)
    assert house.releases.live() == "v1"
    assert [place for sentence in sentences() for place in house.holding(sentence)] == []
