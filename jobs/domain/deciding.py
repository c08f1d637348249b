"""What the queries at hand are good for: whether they can decide at all, and how often they have before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median_high

from config.settings import GateSettings
from jobs.domain.comparison import primary_rows, rows_of
from jobs.domain.corpus import digest
from jobs.domain.examples import QuerySet
from jobs.domain.gates import ScoredSet
from jobs.domain.wording import counted


def too_few(sets: Sequence[QuerySet], settings: GateSettings) -> str | None:
    """Known before any training: by so few queries nothing can be judged. None if there are enough."""
    have, need = sum(len(one.queries) for one in sets), settings.fewest_queries
    if have >= need:
        return None
    return (
        f"{counted(have, 'judged query', 'judged queries')}, {need} are needed, so nothing was trained;"
        ' grant "evaluate" for notes, or judge queries: `iaipctl evaluation add`'
    )


def deciding_queries(sets: Sequence[ScoredSet], settings: GateSettings) -> tuple[str, ...]:
    """The queries that decide, each by a digest of what it asks and what answers it, wherever it stands by then."""
    rows = rows_of(sets)
    deciding = (row.query for row in primary_rows(rows, settings.fewest_queries) or rows)
    return tuple(sorted({digest(query.text, repr(sorted(query.relevant.items()))) for query in deciding}))


def attempt_on(queries: Sequence[str], judged_before: Mapping[str, int]) -> int:
    """Which judging by these queries this is, from 1: by how often the middle one of them has decided before.

    So a set that is mostly the same is the same, and one that is mostly new is new.
    """
    return 1 + median_high([judged_before.get(query, 0) for query in queries] or [0])
