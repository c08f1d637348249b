"""Whether the folders of notes can be read: each is probed by reading it, and the worst one decides."""

from __future__ import annotations

import errno
import os

import pytest

from daemon.checks.places import readability
from daemon.system.folders import probe_folder


@pytest.mark.parametrize(
    ("states", "level"),
    [
        (["readable", "empty"], "ok"),
        (["empty"], "warn"),
        (["readable", "missing"], "fail"),
        (["readable", "cannot tell"], "cannot tell"),
        (["not permitted", "missing", "empty"], "fail"),
    ],
)
def test_the_worst_folder_decides(states, level) -> None:
    named = {f"c{number}": state for number, state in enumerate(states)}
    assert readability(named, "linux").level == level


def test_a_closed_folder_on_a_mac_names_the_place_in_system_settings() -> None:
    assert "Full Disk Access" in readability({"notes": "not permitted"}, "darwin").remedy


def test_a_folder_is_probed_by_reading_it(tmp_path) -> None:
    assert probe_folder(str(tmp_path)) == "empty"
    (tmp_path / "a.md").write_text("# A")
    assert probe_folder(str(tmp_path)) == "readable"
    assert probe_folder(str(tmp_path / "none")) == "missing"
    assert probe_folder(str(tmp_path / "a.md")) == "missing"


@pytest.mark.parametrize(
    ("number", "state"), [(errno.EPERM, "not permitted"), (errno.EACCES, "not permitted"), (errno.EIO, "cannot tell")]
)
def test_a_closed_folder_is_told_apart_from_an_empty_one(number, state) -> None:
    def closed(_: str) -> None:
        raise OSError(number, os.strerror(number))  # macOS's privacy protection, which no Linux file can imitate

    assert probe_folder("/notes", closed) == state
