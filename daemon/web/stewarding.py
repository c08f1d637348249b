"""Consent on the page: what is in and out, saying what folders are, and the report. The core is jobs/consent."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from daemon import spool
from daemon.consent_uses import UsedDataset, agreements, ended, used_datasets
from daemon.web.house import House
from jobs.consent.classifying import Preview, classify, preview
from jobs.consent.coverage import Coverage, covered
from jobs.consent.withdrawals import Journal
from jobs.domain.consent import CLASSES, Classification
from jobs.domain.errors import BadInput, Refused

MOST_FOLDERS = 200
MOST_AT_ONCE = 200
MOST_USED = 60


class Word(Struct, frozen=True, kw_only=True):
    """What somebody wants to call some folders."""

    folders: tuple[str, ...]
    classification: Classification


class Stewarding:
    """Every reading method returns the values of one template. All of them read every note."""

    def __init__(self, house: House) -> None:
        self._house = house

    def coverage(self) -> dict[str, Any]:
        found = self._survey()
        waiting = list(found.unclassified().items()) if found else []
        return {"found": found, "waiting": waiting[:MOST_FOLDERS], "more": max(0, len(waiting) - MOST_FOLDERS)}

    def preview(self, word: Word) -> dict[str, Any]:
        return {"word": word, "seen": self._preview(word)}

    def classify(self, word: Word, *, shown: str, freeing: bool) -> None:
        """Does what was shown under the digest ``shown``. Raises Refused if it would now do anything else.

        It calls nothing freer than it was called before unless ``freeing`` says that this is meant.
        """
        seen = self._preview(word)
        if seen.digest != shown:
            raise Refused("something changed since this was shown; nothing was done", remedy="look at it again")
        if seen.freed and not freeing:
            raise Refused(
                f"{seen.freed} notes would become freer than they were called; nothing was done",
                remedy="say that this is meant, or leave them as they are",
            )
        collections = self._house.corpus().collections()
        classify(seen, self._house.home, collections, getpass.getuser(), datetime.now(UTC))
        spool.put(self._house.home.requests, "refresh", {})

    def report(self) -> dict[str, Any]:
        found, releases = self._survey(), self._house.releases.all()
        used = sorted(used_datasets(releases, self._house.home.datasets), key=_newest_release, reverse=True)
        return {
            "found": found,
            "agreements": agreements(found) if found else [],
            "ended": ended(Journal(self._house.home.consent)),
            "used": used[:MOST_USED],
            "more": max(0, len(used) - MOST_USED),
            "live": self._house.releases.live(),
            "withdrawn": [one.metadata.name for one in releases if one.state == "withdrawn"],
        }

    def _survey(self) -> Coverage | None:
        """None before anything is adopted."""
        house = self._house
        if house.releases.live() is None:
            return None
        documents = sorted(house.books.knowledge.documents())
        return covered(house.corpus(), documents, house.home, house.settings, datetime.now(UTC))

    def _preview(self, word: Word) -> Preview:
        house, before = self._house, self._survey()
        if before is None:
            raise Refused("there are no notes yet", remedy="run `iaipctl init`")
        collections, now = house.corpus().collections(), datetime.now(UTC)
        return preview(word.folders, word.classification, before, house.home, house.settings, collections, now)


def _newest_release(used: UsedDataset) -> int:
    return max((int(name[1:]) for name in used.releases), default=-1)


def word_of(folders: Sequence[str], other: str, classification: str) -> Word:
    """What a form says. Raises BadInput if it names no folder or no class."""
    named = tuple(dict.fromkeys(name.strip() for name in (*folders, other) if name.strip()))
    if not named or len(named) > MOST_AT_ONCE:
        raise BadInput("no folder was chosen, or too many at once", remedy=f"choose 1 to {MOST_AT_ONCE} folders")
    if classification not in CLASSES:
        raise BadInput("it was not said what the folders are", remedy=f"choose one of {', '.join(CLASSES)}")
    return Word(folders=named, classification=msgspec.convert(classification, Classification))
