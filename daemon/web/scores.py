"""What every release scored when it was judged: by the releases, and by the verdicts that the ledger keeps."""

from __future__ import annotations

from collections.abc import Sequence

from daemon.ledger.books import Books
from daemon.ledger.history import Judged
from daemon.web.curves import Scored
from jobs.domain.gates import DECISIVE_METRIC
from jobs.releases import Release


def scores(books: Books, releases: Sequence[Release]) -> tuple[Scored, ...]:
    """Oldest first; only releases whose verdict the ledger still has."""
    runs = {one.metadata.run: one for one in releases if one.metadata.run is not None}
    last: dict[str, tuple[str, ...]] = {}
    found = []
    for judged in sorted(books.history.judged(list(runs)), key=lambda one: runs[one.run].metadata.created_at):
        release = runs[judged.run]
        kind = release.metadata.target or ""
        scored = _scored(release, judged, anew=last.get(kind, judged.asked) != judged.asked)
        if scored is not None:
            last[kind] = judged.asked
            found.append(scored)
    return tuple(found)


def _scored(release: Release, judged: Judged, *, anew: bool) -> Scored | None:
    primary = next((group for group in judged.verdict.sets if group.kind == "primary"), None)
    if primary is None:
        return None
    decisive = next(one for one in primary.comparisons if one.metric == DECISIVE_METRIC)
    before = decisive.candidate - decisive.delta
    return Scored(
        name=release.metadata.name,
        kind=release.metadata.target or "",
        at=release.metadata.created_at.timestamp(),
        before=before,
        value=decisive.candidate,
        low=max(0.0, before + decisive.low),
        high=min(1.0, before + decisive.high),
        anew=anew,
    )
