"""Whether all that releases learnt from may still be used: asked before one goes live, or a model is taken over.

By the records that the releases carry themselves; a model of the owner's has none, and is free.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from config.paths import Home
from config.settings import Settings
from jobs.consent.book import ConsentBook
from jobs.dataset.permission import denied_of, in_words
from jobs.domain.corpus import DocumentId
from jobs.domain.errors import IaipError, Refused
from jobs.domain.retention import ADOPTED
from jobs.lineage import record_of
from jobs.ports import Corpus
from jobs.releases import Release, Releases
from jobs.workshop import Workshop

Today = Callable[[], Mapping[DocumentId, str]]
"""Every note that is there now with its SHA-256, for less than reading them all; nothing of those not looked at."""


@dataclass(frozen=True, kw_only=True)
class Inquiry:
    """What the question is answered by, opened when there is something to ask."""

    home: Home
    settings: Callable[[], Settings]
    corpus: Callable[[], Corpus]
    today: Today = dict


def inquiry(workshop: Workshop) -> Inquiry:
    return Inquiry(home=workshop.home, settings=lambda: workshop.settings, corpus=lambda: workshop.corpus)


def denial(release: Release, by: Inquiry, targets: Collection[str] | None = None) -> str:
    """Why the release's models (of these targets, else all) may not go live; empty if they may.

    Every note that changed is read again. Of one that is gone, what it last said counts. A lost record counts as
    denied: nobody can tell what that model learnt from.
    """
    asked = [target for target in release.metadata.sources if targets is None or target in targets]
    records = {target: record_of(release, target) for target in asked}
    if lost := [target for target, record in records.items() if record is None]:
        return f"the record of what its {lost[0]} model learnt from is lost"
    known = [record for record in records.values() if record is not None]
    if not known:
        return ""
    denied = denied_of(known, by.corpus(), by.home, by.settings(), by.today())
    return in_words(denied) if denied else ""


def may_go_live(by: Inquiry) -> Callable[[Release], bool]:
    """For ``Releases``: what may take another's place by itself. Where it cannot be told, it may not."""

    def may(release: Release) -> bool:
        try:
            return not denial(release, by)
        except IaipError:
            return False

    return may


def roll_back(releases: Releases, to: str | None, by: Inquiry) -> str:
    """As ``Releases.roll_back``, with consent held still meanwhile.

    Raises Refused as well for a release that learnt from what may no longer be used.
    """
    with ConsentBook(by.home.consent).held():
        return releases.roll_back(to, lambda live, target: _require_allowed(releases, live, target, by))


def way_back(releases: Releases, to: str | None, by: Inquiry) -> tuple[str, str]:
    """As ``Releases.way_back``, and raises as ``roll_back``."""
    live, target = releases.way_back(to)
    if target != live:
        _require_allowed(releases, live, target, by)
    return live, target


def _require_allowed(releases: Releases, live: str, target: str, by: Inquiry) -> None:
    if reason := denial(releases.release(target), by):
        raise Refused(
            f"{target} cannot go live: {reason}; {live} stays live",
            remedy=f"`iaipctl releases` lists the others; `iaipctl rollback --to {ADOPTED}` always may",
        )
