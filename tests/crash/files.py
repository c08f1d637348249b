"""What is written file by file: files, directories, models, links, checkpoints."""

from __future__ import annotations

from pathlib import Path

from jobs import checkpoints
from jobs.adapters.aead import AesGcm
from jobs.keys import Keys
from jobs.publish import (
    make_directory,
    publish_file,
    published_directory,
    remove_directory,
    sweep_stages,
    switch_symlink,
    write_file,
)
from jobs.sealing import Sealing, is_sealed, plain_inside, seal_leftovers
from tests.crash.house import House
from tests.crash.scenarios import Scenario, one_of


def sweep(house: House) -> None:
    sweep_stages(house.root)
    sweep_stages(house.root / "things")


def content_of(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def note_written(house: House) -> str:
    assert house.left_over() == []
    return one_of(content_of(house.root / "note"), b"old content", b"new content")


def fresh_note_written(house: House) -> str:
    return one_of(content_of(house.root / "things" / "deep" / "note"), None, b"content")


def write_fresh(house: House) -> None:
    write_file(house.root / "things" / "deep" / "note", b"content")


def fill(house: House) -> None:
    with published_directory(house.root / "things" / "one") as stage:
        (stage / "inner").mkdir()
        (stage / "inner" / "part").write_bytes(b"first part")
        (stage / "part").write_text("second part", "utf-8")


def things_whole(house: House) -> str:
    assert house.left_over() == []
    one = house.root / "things" / "one"
    if not one.exists():
        return "old"
    assert (one / "inner" / "part").read_bytes() == b"first part"
    assert (one / "part").read_text("utf-8") == "second part"
    return "new"


def publish_draft(house: House) -> None:
    (house.root / "draft").write_bytes(b"a model of some length")
    publish_file(house.root / "draft", house.root / "things" / "model")


def model_whole(house: House) -> str:
    return one_of(content_of(house.root / "things" / "model"), None, b"a model of some length")


def link_to_old(house: House) -> None:
    switch_symlink(house.root / "link", "old")


def link_switched(house: House) -> str:
    assert house.left_over() == []
    return one_of(str((house.root / "link").readlink()), "old", "new")


def make_checkpoint(house: House, step: int) -> None:
    with checkpoints.publish(house.root / "things", step) as stage:
        (stage / "weights").write_bytes(b"w" * step)
        (stage / "state").write_text(str(step), "utf-8")


def make_checkpoints(house: House) -> None:
    for step in (10, 20):
        make_checkpoint(house, step)


def checkpoint_and_prune(house: House) -> None:
    make_checkpoint(house, 30)
    checkpoints.prune(house.root / "things")


def prune(house: House) -> None:
    checkpoints.prune(house.root / "things")


def checkpoints_whole(house: House) -> str:
    assert house.left_over() == []
    names = sorted(entry.name for entry in (house.root / "things").iterdir())
    for name in names:
        step = int(name.removeprefix("step-"))
        assert (house.root / "things" / name / "weights").read_bytes() == b"w" * step
        assert (house.root / "things" / name / "state").read_text("utf-8") == str(step)
    newest = checkpoints.newest(house.root / "things")
    assert newest is not None
    assert len(names) == 2
    return one_of(checkpoints.step_of(newest), 20, 30)


def keys_of(house: House) -> Keys:
    return Keys(house.root / "keys", AesGcm(), None)


def work_in_sealed_stage(house: House, content: bytes) -> None:
    stage = house.root / "things" / "train"
    make_directory(stage)
    with plain_inside(stage, ["maria"], keys_of(house), ()):
        write_file(stage / "weights", content)


def seal_what_was_left(house: House) -> None:
    """As the daemon does every minute, and its housekeeping at a start (daemon/housekeeping.py)."""
    sweep(house)
    sweep_stages(house.root / "things" / "train")
    seal_leftovers(house.root / "things", keys_of(house), ())


def stage_sealed(house: House) -> str:
    stage = house.root / "things" / "train"
    assert [path.name for path in stage.iterdir()] == ["weights"], "sealed to the end, and nothing else is left"
    assert is_sealed(stage / "weights")
    return one_of(Sealing(keys_of(house)).opened((stage / "weights").read_bytes()), b"old weights", b"new weights")


FILES = [
    Scenario(
        name="a file is replaced",
        prepare=lambda house: write_file(house.root / "note", b"old content"),
        work=lambda house: write_file(house.root / "note", b"new content"),
        repair=sweep,
        examine=note_written,
    ),
    Scenario(
        name="a file in a new folder",
        prepare=lambda house: None,
        work=write_fresh,
        repair=lambda house: sweep_stages(house.root / "things" / "deep"),
        examine=fresh_note_written,
    ),
    Scenario(
        name="a directory is published", prepare=lambda house: None, work=fill, repair=sweep, examine=things_whole
    ),
    Scenario(
        name="a directory is removed",
        prepare=fill,
        work=lambda house: remove_directory(house.root / "things" / "one"),
        repair=sweep,
        examine=lambda house: "new" if things_whole(house) == "old" else "old",
        removes=True,
    ),
    Scenario(
        name="a model file is published",
        prepare=lambda house: None,
        work=publish_draft,
        repair=sweep,
        examine=model_whole,
    ),
    Scenario(
        name="a link is switched",
        prepare=link_to_old,
        work=lambda house: switch_symlink(house.root / "link", "new"),
        repair=sweep,
        examine=link_switched,
    ),
    Scenario(
        name="a sealed stage is opened, worked in and sealed again",
        prepare=lambda house: work_in_sealed_stage(house, b"old weights"),
        work=lambda house: work_in_sealed_stage(house, b"new weights"),
        repair=seal_what_was_left,
        examine=stage_sealed,
    ),
    Scenario(
        name="a checkpoint, and the oldest goes",
        prepare=make_checkpoints,
        work=checkpoint_and_prune,
        repair=prune,
        examine=checkpoints_whole,
        removes=True,
    ),
]
