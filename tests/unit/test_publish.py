"""Old or new, never half."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobs.publish import (
    STAGE_PREFIX,
    publish_file,
    published_directory,
    remove_directory,
    sweep_stages,
    switch_symlink,
    sync_file,
    write_file,
)

HOLD = """
import sys, time
from pathlib import Path
from jobs.locks import locked
with locked(Path(sys.argv[1]), of="x"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_failed_write_keeps_the_former_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "note"
    write_file(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["note"]


def test_a_written_file_is_private(tmp_path: Path) -> None:
    write_file(tmp_path / "secret", b"x")
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_directory_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="half"), published_directory(tmp_path / "v1") as stage:
        (stage / "part").write_text("x")
        raise ValueError("half")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_fails_its_check_is_not_published(tmp_path: Path) -> None:
    def refuse(_: Path) -> None:
        raise ValueError("not whole")

    with pytest.raises(ValueError, match="not whole"), published_directory(tmp_path / "v1", verify=refuse) as stage:
        (stage / "part").write_text("x")
    assert not (tmp_path / "v1").exists()


def test_publishing_the_same_directory_again_keeps_the_first(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with published_directory(tmp_path / "v1") as stage:
            (stage / "part").write_text(text)
    assert (tmp_path / "v1" / "part").read_text() == "first"


def test_a_published_file_is_read_only(tmp_path: Path) -> None:
    (tmp_path / "draft").write_bytes(b"x")
    publish_file(tmp_path / "draft", tmp_path / "models" / "x.gguf")
    assert (tmp_path / "models" / "x.gguf").stat().st_mode & 0o222 == 0
    assert not (tmp_path / "draft").exists()


def test_a_symlink_switches_even_over_a_plain_file(tmp_path: Path) -> None:
    (tmp_path / "current").write_text("plain")
    switch_symlink(tmp_path / "current", "v2")
    assert str((tmp_path / "current").readlink()) == "v2"


def test_orphaned_stages_are_swept_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / f"{STAGE_PREFIX}v1-0").mkdir()
    (tmp_path / f"{STAGE_PREFIX}file").touch()
    (tmp_path / "v0").mkdir()
    assert sweep_stages(tmp_path) == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["v0"]


def test_a_removed_directory_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "v1" / "deep").mkdir(parents=True)
    remove_directory(tmp_path / "v1")
    remove_directory(tmp_path / "v1")
    assert list(tmp_path.iterdir()) == []


def test_a_stage_that_somebody_writes_into_is_left_alone(tmp_path: Path) -> None:
    for name, age in (("old", 3600), ("new", 0)):
        stage = tmp_path / f"{STAGE_PREFIX}{name}"
        stage.mkdir()
        (stage / "part").write_text("x")
        then = time.time() - age
        for path in (stage / "part", stage):
            os.utime(path, (then, then))
    assert sweep_stages(tmp_path, idle=60.0) == 1
    assert [path.name for path in tmp_path.iterdir()] == [f"{STAGE_PREFIX}new"]


def test_what_a_process_holds_is_no_orphan_until_that_process_is_gone(tmp_path: Path) -> None:
    stage = tmp_path / f"{STAGE_PREFIX}held"
    stage.mkdir()
    with subprocess.Popen([sys.executable, "-c", HOLD, str(stage)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        assert sweep_stages(tmp_path) == 0 and stage.is_dir()
        holder.kill()
        holder.wait()
    assert sweep_stages(tmp_path) == 1 and not stage.exists()


@pytest.mark.parametrize("knows", [True, False])
def test_on_a_mac_a_sync_goes_through_the_drive_s_cache_where_the_file_system_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, knows: bool
) -> None:
    asked: list[str] = []

    def control(descriptor: int, command: int) -> None:
        asked.append("through the cache" if command == 51 else "something else")
        if not knows:
            raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr("jobs.publish.sys.platform", "darwin")
    monkeypatch.setattr("jobs.publish.fcntl.F_FULLFSYNC", 51, raising=False)  # sys/fcntl.h
    monkeypatch.setattr("jobs.publish.fcntl.fcntl", control)
    monkeypatch.setattr("jobs.publish.os.fsync", lambda descriptor: asked.append("to the cache"))
    (tmp_path / "note").write_text("kept")
    sync_file(tmp_path / "note")
    assert asked == (["through the cache"] if knows else ["through the cache", "to the cache"])
