"""The checkpoints of one training: ``step-0000000025`` directories, each whole or absent.

A checkpoint appears under its name in one rename, so whatever bears such a name was whole; a disk
that lies about a sync may still tear it. What it holds is its trainer's affair: here are only
names, order and safe-keeping.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.publish import published_directory, remove_directory, sweep_stages

_NAME = re.compile(r"step-(\d{10})")


def newest(directory: Path) -> Path | None:
    """The checkpoint with the most steps in ``directory``, or none. What an interrupted publication left is none."""
    found = _oldest_first(directory)
    return found[-1] if found else None


def newest_whole(directory: Path, is_whole: Callable[[Path], bool]) -> Path | None:
    """As ``newest``, but a checkpoint that is not whole is removed and the one before it is asked. Left there it would
    end every try, and be kept in place of the next one of its step."""
    while (found := newest(directory)) is not None and not is_whole(found):
        remove_directory(found)
    return found


def step_of(checkpoint: Path) -> int:
    """The number of finished steps in a checkpoint's name. Raises ValueError for any other path."""
    match = _NAME.fullmatch(checkpoint.name)
    if match is None:
        raise ValueError(f"not a checkpoint: {checkpoint.name}")
    return int(match[1])


@contextmanager
def publish(directory: Path, step: int, verify: Callable[[Path], None] = lambda _: None) -> Iterator[Path]:
    """Yields an empty stage to be filled; on a clean exit it is verified and becomes the checkpoint of ``step``.

    On an exception nothing appears. A checkpoint of the same step that is already there is kept.
    """
    with published_directory(directory / f"step-{step:010d}", verify=verify) as stage:
        yield stage


def prune(directory: Path, keep: int = 2) -> None:
    """Removes all but the ``keep`` newest checkpoints, and what interrupted publications left behind."""
    if keep < 1:
        raise ValueError("at least one checkpoint must be kept")
    sweep_stages(directory)
    for checkpoint in _oldest_first(directory)[:-keep]:
        remove_directory(checkpoint)


def _oldest_first(directory: Path) -> list[Path]:
    if not directory.is_dir():
        return []
    return sorted(
        (entry for entry in directory.iterdir() if entry.is_dir() and _NAME.fullmatch(entry.name)), key=step_of
    )
