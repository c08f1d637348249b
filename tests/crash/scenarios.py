"""A thing that writes, with what the next start does about a crash and how to tell old from new."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.crash.house import House


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """``repair`` is what the next start does. ``examine`` returns "old" or "new", and fails for all else.

    ``removes``: what could not be removed to its end waits, under a stage's name, for the next sweep.
    """

    name: str
    prepare: Callable[[House], None]
    work: Callable[[House], object]
    repair: Callable[[House], object]
    examine: Callable[[House], str]
    removes: bool = False


def one_of(found: object, old: object, new: object) -> str:
    assert found in (old, new), found
    return "new" if found == new else "old"
