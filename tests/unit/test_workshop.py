"""Work is done once per directory, which says for whom."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import Struct

from jobs.workshop import RUN_MARK, once


class Made(Struct, frozen=True, kw_only=True):
    number: int


def test_a_directory_is_marked_before_the_work_and_by_everyone_who_uses_its_result(tmp_path: Path) -> None:
    place = tmp_path / "train-x"
    seen: list[list[str]] = []

    def work(directory: Path) -> Made:
        seen.append([path.name for path in directory.iterdir()])
        return Made(number=1)

    for run in (7, 8):
        assert once(place, Made, work, run=run) == Made(number=1)
    assert seen == [[f"{RUN_MARK}7"]]
    assert sorted(path.name for path in place.glob(f"{RUN_MARK}*")) == [f"{RUN_MARK}7", f"{RUN_MARK}8"]


def test_work_that_failed_is_still_marked_and_done_again(tmp_path: Path) -> None:
    def broken(directory: Path) -> Made:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        once(tmp_path / "train-x", Made, broken, run=7)
    assert (tmp_path / "train-x" / f"{RUN_MARK}7").exists()
    assert once(tmp_path / "train-x", Made, lambda directory: Made(number=2), run=7) == Made(number=2)
