"""What is kept; everything else may be deleted. Each rule returns a part of what it was given."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import datetime

from msgspec import Struct

_RELEASE_NAME = re.compile(r"v(0|[1-9][0-9]*)")
_ADOPTED = "v0"


class Stored(Struct, frozen=True, kw_only=True):
    """A dataset or a stage's result on disk, and when a job last made or used it."""

    name: str
    used_at: datetime


def keep_releases(
    names: Iterable[str], *, live: str | None, previous: str | None, pinned: Collection[str], last: int
) -> frozenset[str]:
    """The live, the previous and the pinned releases, the owner's own files (v0), and the ``last`` newest others.

    Newest by number. A name that is no release's is kept too: it is not ours to delete.
    """
    given = frozenset(names)
    special = given & {_ADOPTED, live, previous, *pinned}
    foreign = {name for name in given if not _RELEASE_NAME.fullmatch(name)}
    others = sorted(given - special - foreign, key=_number, reverse=True)
    return special | foreign | frozenset(others[:last])


def keep_stored(stored: Iterable[Stored], *, needed: Collection[str], last: int) -> frozenset[str]:
    """What kept releases and unfinished runs need, and the ``last`` others that were used latest."""
    given = list(stored)
    others = sorted(
        (entry for entry in given if entry.name not in needed),
        key=lambda entry: (entry.used_at, entry.name),
        reverse=True,
    )
    return frozenset(entry.name for entry in given if entry.name in needed) | {entry.name for entry in others[:last]}


def keep_checkpoints(steps: Iterable[int], *, last: int, best: int | None = None) -> frozenset[int]:
    """The ``last`` newest whole checkpoints of a run by step, at least one, and the best one."""
    given = frozenset(steps)
    return frozenset(sorted(given, reverse=True)[: max(1, last)]) | (given & {best})


def _number(name: str) -> int:
    return int(name.removeprefix("v"))
