"""A start that finds its disk full waits, and goes on by itself once there is room."""

from __future__ import annotations

import errno
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from config.paths import Home
from daemon import __main__ as program
from daemon import app
from daemon.ledger.books import open_books
from daemon.ledger.database import OutOfReach


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """Four megabytes; only root may mount."""
    place = tmp_path / "volume"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs leave to mount a tmpfs")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Filled once the daemon is past its start."""
    told: list[str] = []
    monkeypatch.setattr(app, "_serve", lambda *_: told.append("serves"))
    return told


def fill(file: Path) -> None:
    with suppress(OSError), file.open("wb", buffering=0) as filling:
        while filling.write(bytes(4096)):
            continue


def test_it_waits_until_there_is_room_and_then_serves(volume: Path, served: list[str]) -> None:
    home, waits = Home(root=volume / "home"), list[Exception]()
    open_books(home.ledger).database.close()
    fill(volume / "filling")

    def wait(error: Exception) -> None:
        waits.append(error)
        assert not served
        if len(waits) == 2:
            (volume / "filling").unlink()

    app.serve(home, wait)
    assert (len(waits), served) == (2, ["serves"])


@pytest.mark.parametrize("error", [OutOfReach("no room", remedy="r"), OSError(errno.EROFS, "Read-only file system")])
def test_what_the_first_writes_meet_is_waited_for_too(
    tmp_path: Path, served: list[str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    home, waits = Home(root=tmp_path / "home"), list[Exception]()
    trouble = [error]

    def recover(*_: object) -> list[int]:
        if trouble:
            raise trouble.pop()
        return []

    monkeypatch.setattr(app, "recover", recover)
    app.serve(home, waits.append)
    assert (waits, served) == ([error], ["serves"])


def test_who_starts_it_by_hand_is_told_at_once(
    tmp_path: Path, served: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutOfReach("the ledger cannot be opened (disk full)", remedy="look at its folder")

    monkeypatch.setattr(app, "open_or_restore", full)
    with pytest.raises(OutOfReach):
        app.serve(Home(root=tmp_path / "home"))


def test_a_disk_that_fills_up_later_is_no_reason_to_stay_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OutOfReach("the ledger cannot be opened (disk full)", remedy="look at its folder")

    home = Home(root=tmp_path / "home")
    (home.releases / "v0").mkdir(parents=True)
    (home.releases / "current").symlink_to("v0")
    monkeypatch.setattr(app, "serve", full)
    assert program._run_supervised(home, "systemd") == 75
