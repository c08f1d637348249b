"""The training rows that the newest datasets propose, for a person to read and to leave out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from daemon.web.house import House
from jobs.dataset.left_out import DROPPED, LeftOut, leave_out, left_out, take_back
from jobs.dataset.proposals import Outline, Proposal, Wanted, outline, page, proposals
from jobs.domain.consent import CLASSES
from jobs.domain.errors import BadInput, IaipError
from jobs.domain.examples import Target

ROWS = 40
MOST_LEFT_OUT = 200
TARGETS: tuple[Target, ...] = ("embedding", "expansion")


class Missed(Struct, frozen=True, kw_only=True):
    """A row that is left out; ``proposal`` is none if no dataset that is kept here has it any more."""

    digest: str
    left: LeftOut
    proposal: Proposal | None


class Reviewing:
    """Every reading method returns the values of one template."""

    def __init__(self, house: House) -> None:
        self._house = house

    def overview(self) -> dict[str, Any]:
        names = (self._house.books.history.newest_dataset(target) for target in TARGETS)
        datasets = [found for name in names if (found := outline(self._house.home.datasets, name)) is not None]
        known = left_out(self._house.home.left_out)
        return {
            "datasets": datasets,
            "dropped": DROPPED,
            "missed": self._missed(dict(list(known.items())[:MOST_LEFT_OUT])),
            "more": max(0, len(known) - MOST_LEFT_OUT),
        }

    def sheet(self, name: str, asked: Mapping[str, str], start: int) -> dict[str, Any]:
        """One page of a dataset's rows. Raises KeyError for a dataset that is not there."""
        found, wanted = self._dataset(name), wanted_of(asked)
        try:
            rows, following = page(self._folder(name), found.target, self._house.lines, wanted, start=start, most=ROWS)
        except (OSError, msgspec.DecodeError) as error:
            raise _damaged(name) from error
        return {
            "manifest": found,
            "wanted": wanted,
            "rows": rows,
            "total": sum(found.counts.rows.values()),
            "address": f"/rows/{name}",
            "query": sheet_query(wanted, start),
            "following": None if following is None else sheet_query(wanted, following),
            "first": sheet_query(wanted, 0) if start else None,
            "narrowed": sheet_query(wanted, 0) != "",
            "left_out": left_out(self._house.home.left_out),
            "classes": (*CLASSES, "unclassified"),
        }

    def leave_out(self, name: str, digest: str, now: datetime) -> None:
        """From the next dataset on. Raises KeyError for a row that the dataset does not have."""
        found = self._dataset(name)
        if self._find(name, found.target, {digest}).get(digest) is None:
            raise KeyError(digest)
        leave_out(self._house.home.left_out, digest, LeftOut(dataset=name, at=now))

    def take_back(self, digest: str) -> None:
        """Raises KeyError for a row that is not left out."""
        if not take_back(self._house.home.left_out, digest):
            raise KeyError(digest)

    def _missed(self, known: Mapping[str, LeftOut]) -> list[Missed]:
        rows: dict[str, Proposal] = {}
        for name in dict.fromkeys(one.dataset for one in known.values()):
            found = outline(self._house.home.datasets, name)
            if found is not None:
                rows |= self._find(name, found.target, {digest for digest in known if known[digest].dataset == name})
        return [Missed(digest=digest, left=left, proposal=rows.get(digest)) for digest, left in known.items()]

    def _find(self, name: str, target: Target, digests: Iterable[str]) -> dict[str, Proposal]:
        """Those of the digests that the dataset has."""
        wanted, found = set(digests), dict[str, Proposal]()
        try:
            for one in proposals(self._folder(name), target, self._house.lines):
                if one.digest in wanted:
                    found[one.digest] = one
                    if len(found) == len(wanted):
                        break
        except (OSError, msgspec.DecodeError, IaipError):  # what cannot be read (any more) shows no text
            return found
        return found

    def _dataset(self, name: str) -> Outline:
        found = outline(self._house.home.datasets, name)
        if found is None:
            raise KeyError(name)
        return found

    def _folder(self, name: str) -> Path:
        return self._house.home.datasets / name


def wanted_of(asked: Mapping[str, str]) -> Wanted:
    return Wanted(
        words=asked.get("words", "").strip(),
        note=asked.get("note", "").strip(),
        generator=asked.get("generator", ""),
        classification=asked.get("class", ""),
    )


def sheet_query(wanted: Wanted, start: int) -> str:
    """The address's query for these rows, with its ``?``; nothing for the first of all rows."""
    named = {
        "words": wanted.words,
        "note": wanted.note,
        "generator": wanted.generator,
        "class": wanted.classification,
        "from": str(start) if start else "",
    }
    query = urlencode({name: value for name, value in named.items() if value}, errors="replace")
    return f"?{query}" if query else ""


def _damaged(name: str) -> BadInput:
    return BadInput(f"the dataset {name} cannot be read", remedy="the next run builds a new one")
