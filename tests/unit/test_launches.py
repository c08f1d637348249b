"""A daemon that never comes so far as to count its own crashes: the program that the supervisor starts counts them."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.paths import Home
from daemon.supervision import MOST_UNCLEAN, WINDOW, Supervision
from jobs.publish import write_file
from launchd.choose import agent_of
from launchd.program import CODE, script
from tests.fakes.macos.machine import FakeMachine


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(root=tmp_path / "my home")
    found.agent_program.parent.mkdir(parents=True)
    return found


def gone(folder: Path) -> tuple[Path, Path]:
    return folder / "python", CODE


def refused(folder: Path) -> tuple[Path, Path]:
    """As one in quarantine: it is there, and the system does not run it."""
    (folder / "python").write_text("#!/bin/sh\n")
    (folder / "python").chmod(0o600)
    return folder / "python", CODE


def without_its_libraries(folder: Path) -> tuple[Path, Path]:
    (folder / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    (folder / "python").chmod(0o700)
    return folder / "python", CODE


def place(home: Home, interpreter: Path, code: Path) -> None:
    write_file(home.agent_program, script(home, interpreter, code).encode(), mode=0o700)


def runs(mac: FakeMachine) -> int:
    """How often it was started, once it is at rest: held back, or given up."""
    values = mac.state.read()
    for service in values["services"].values():
        return int(service["runs"]) if service["state"] in ("spawn scheduled", "not running") else 0
    return sum(len(unit["starts"]) for unit in values["units"].values() if unit["sub"] in ("auto-restart", "failed"))


@pytest.mark.parametrize("platform", ["darwin", "linux"])
@pytest.mark.parametrize("broken", [gone, refused, without_its_libraries])
def test_an_interpreter_that_does_not_start_the_daemon_is_given_up_and_said_once(
    mac, home, tmp_path, platform, broken
) -> None:
    place(home, *broken(tmp_path))
    agent_of(mac.machine(platform), home, write_file).install(force=False)
    for number in range(1, MOST_UNCLEAN + 2):
        mac.until(lambda: runs(mac) == number)  # noqa: B023 - called at once
        assert (Supervision(home).read().down is not None) == (number > MOST_UNCLEAN)
        mac.later(31.0)
    mac.later(3600.0)
    assert runs(mac) == MOST_UNCLEAN + 1
    assert "does not start the daemon" in str(Supervision(home).read().down)
    told = mac.calls("osascript" if platform == "darwin" else "notify-send")
    assert len(told) == 1 and "iaip has stopped and stays down" in told[0]


def launched(home: Home, mac: FakeMachine, **environment: str) -> int:
    """The program's own exit code, as launchd starts it."""
    return subprocess.run(
        [str(home.agent_program), "--supervised", "launchd"],
        env={"PATH": f"{mac.tools}:/usr/bin:/bin", **environment},
        capture_output=True,
        timeout=60,
        check=False,
    ).returncode


@pytest.mark.parametrize(
    ("age", "given_up"), [(0, True), (-60, True), (WINDOW.seconds - 30, True), (WINDOW.seconds + 1, False)]
)
def test_only_starts_of_late_count(mac, home, tmp_path, age, given_up) -> None:
    place(home, *gone(tmp_path))
    home.launches.write_text(f"{int(time.time()) - age}\n" * MOST_UNCLEAN)
    assert (launched(home, mac) == 0) == given_up


def test_a_damaged_count_is_no_reason_to_stay_down_and_counts_on(mac, home, tmp_path) -> None:
    place(home, *gone(tmp_path))
    home.launches.write_bytes(b"\0\xff $(id) 08 x\n\n089\n-1\n" * 3)
    assert [launched(home, mac) for _ in range(MOST_UNCLEAN)] == [127] * MOST_UNCLEAN
    assert launched(home, mac) == 0 and not home.launches.exists()


def test_the_owner_is_told_in_french(mac, home, tmp_path) -> None:
    place(home, *gone(tmp_path))
    home.launches.write_text(f"{int(time.time())}\n" * MOST_UNCLEAN)
    assert launched(home, mac, LANG="fr_CA.UTF-8") == 0
    [words] = mac.calls("osascript")
    assert "iaip s'est arrêté et ne redémarre pas" in words


def test_a_daemon_that_comes_to_count_itself_is_not_counted_twice(home) -> None:
    home.launches.write_text("1\n")
    assert Supervision(home).begin(datetime.now(UTC)) and not home.launches.exists()
