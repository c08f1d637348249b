"""An exception for a log: where it happened and of what kind, never its message: that may quote a note or name one."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from itertools import chain

_MOST_FRAMES = 40


def wordless(error: BaseException) -> str:
    """A line a frame, the outermost first, then the error's kind; what caused it comes before it."""
    return "\n".join(chain.from_iterable(_told(one) for one in reversed(list(_causes(error)))))


def _told(error: BaseException) -> Iterator[str]:
    for frame in traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]:
        yield f'File "{frame.filename}", line {frame.lineno}, in {frame.name}'
    number = f" {error.errno}" if isinstance(error, OSError) and error.errno is not None else ""
    yield f"{type(error).__module__}.{type(error).__name__}{number}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it, each once."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
