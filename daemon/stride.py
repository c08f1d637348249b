"""How fast a training goes, measured against itself. Pure: seconds and steps are given."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from msgspec import Struct

_WINDOW_SECONDS = 60.0
_WINDOW_STEPS = 10
_MOST_MARKS = 200


class Mark(NamedTuple):
    worked: float
    step: int


class Stride(Struct, frozen=True, kw_only=True):
    """The steps a training had done after so many seconds of work, from its first report on."""

    marks: tuple[Mark, ...] = ()

    @property
    def worked(self) -> float:
        """Seconds of work since the first report: rests and pauses are not counted."""
        return self.marks[-1].worked if self.marks else 0.0

    def after(self, seconds: float, step: int) -> Stride:
        """``seconds`` more of work, at the end of which ``step`` steps were done."""
        if not self.marks:
            return Stride(marks=(Mark(0.0, step),))
        mark = Mark(self.worked + max(0.0, seconds), step)
        recent = self.marks[1:] if len(self.marks) < _MOST_MARKS else self.marks[2:]
        return msgspec.structs.replace(self, marks=(self.marks[0], *recent, mark))

    def share(self) -> float | None:
        """The recent speed as a share of the speed before; none while there is too little to compare.

        Recent is the last minute, or as long as ten steps have taken on average, if that is longer.
        """
        if not self.marks or self.marks[-1].step <= self.marks[0].step:
            return None
        first, last = self.marks[0], self.marks[-1]
        window = max(_WINDOW_SECONDS, _WINDOW_STEPS * last.worked / (last.step - first.step))
        edge = next((mark for mark in reversed(self.marks) if last.worked - mark.worked >= window), first)
        if edge.worked < window or edge.step == first.step:
            return None
        return _speed(edge, last) / _speed(first, edge)


def _speed(start: Mark, end: Mark) -> float:
    return (end.step - start.step) / (end.worked - start.worked)
