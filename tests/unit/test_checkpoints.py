"""Checkpoints: whole or absent, in order, and not too many."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import checkpoints


def _publish(directory: Path, *steps: int) -> None:
    for step in steps:
        with checkpoints.publish(directory, step) as stage:
            (stage / "weights").write_text(str(step))


def test_where_nothing_was_published_there_is_no_newest(tmp_path: Path) -> None:
    assert checkpoints.newest(tmp_path / "absent") is None


def test_the_newest_is_the_one_with_the_most_steps_not_the_last_written(tmp_path: Path) -> None:
    _publish(tmp_path, 900, 1000, 25)
    newest = checkpoints.newest(tmp_path)
    assert newest is not None
    assert checkpoints.step_of(newest) == 1000
    assert (newest / "weights").read_text() == "1000"


def test_a_torn_checkpoint_gives_way_to_the_one_before_and_to_the_next_of_its_step(tmp_path: Path) -> None:
    _publish(tmp_path, 25, 50, 75)
    for step in (50, 75):
        (tmp_path / f"step-{step:010d}" / "weights").write_text("")
    whole = checkpoints.newest_whole(tmp_path, lambda checkpoint: (checkpoint / "weights").read_text() != "")
    assert whole is not None and checkpoints.step_of(whole) == 25
    _publish(tmp_path, 50)
    assert (tmp_path / f"step-{50:010d}" / "weights").read_text() == "50"
    assert checkpoints.newest_whole(tmp_path, lambda checkpoint: False) is None


def test_a_checkpoint_that_is_written_but_not_whole_does_not_appear(tmp_path: Path) -> None:
    def refuse(stage: Path) -> None:
        raise ValueError((stage / "weights").read_text())

    with pytest.raises(ValueError, match="torn"), checkpoints.publish(tmp_path, 25, refuse) as stage:
        (stage / "weights").write_text("torn")
    assert checkpoints.newest(tmp_path) is None


def test_a_checkpoint_that_fails_half_way_does_not_appear(tmp_path: Path) -> None:
    _publish(tmp_path, 25)
    with pytest.raises(OSError, match="full"), checkpoints.publish(tmp_path, 50) as stage:
        (stage / "weights").write_text("half")
        raise OSError("the disk is full")
    newest = checkpoints.newest(tmp_path)
    assert newest is not None
    assert checkpoints.step_of(newest) == 25


def test_what_a_kill_left_behind_is_neither_found_nor_kept(tmp_path: Path) -> None:
    _publish(tmp_path, 25)
    orphan = tmp_path / ".stage-step-0000000050-abc"
    orphan.mkdir()
    newest = checkpoints.newest(tmp_path)
    assert newest is not None
    assert checkpoints.step_of(newest) == 25
    checkpoints.prune(tmp_path)
    assert not orphan.exists()


def test_pruning_keeps_the_newest_two(tmp_path: Path) -> None:
    _publish(tmp_path, 25, 50, 75, 100)
    checkpoints.prune(tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["step-0000000075", "step-0000000100"]


def test_pruning_never_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one"):
        checkpoints.prune(tmp_path, keep=0)


@given(st.sets(st.integers(min_value=0, max_value=10**9), min_size=1))
def test_names_sort_as_steps_do(steps: set[int]) -> None:
    names = [f"step-{step:010d}" for step in sorted(steps)]
    assert names == sorted(names)
    assert [checkpoints.step_of(Path(name)) for name in names] == sorted(steps)
