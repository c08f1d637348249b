"""A dataset's rows for whoever reviews them: read one after the other, so that the largest dataset needs no room."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import msgspec
from msgspec import Struct

from jobs.domain.examples import SPLITS, DatasetCounts, Expansion, Pair, Row, Split, Target, row_digest

Lines = Callable[[Path], Iterable[bytes]]
"""Gives the lines of a dataset's file, however it is kept."""
_NAME = re.compile(r"[0-9a-f]{16}")


class Outline(Struct, frozen=True, kw_only=True):
    """What of a dataset's manifest tells about its rows. Of ``sources`` only the number is looked at."""

    name: str
    target: Target
    counts: DatasetCounts
    sources: tuple[msgspec.Raw, ...]


class Proposal(Struct, frozen=True, kw_only=True):
    """``number`` counts from 0 through all splits of the dataset and never changes."""

    number: int
    split: Split
    row: Row

    @property
    def digest(self) -> str:
        return row_digest(self.row)

    @property
    def text(self) -> str:
        """What the query is answered with."""
        if isinstance(self.row, Pair):
            return self.row.passage
        return "\n".join(f"{line.kind}: {line.text}" for line in self.row.lines)


class Wanted(Struct, frozen=True, kw_only=True):
    """Which rows to show; what is empty asks for nothing. ``words`` stand in the query, the text or the note's name,
    whatever their case; ``note`` is ``str(DocumentId)``."""

    words: str = ""
    note: str = ""
    generator: str = ""
    classification: str = ""

    def holds(self, one: Proposal) -> bool:
        origin = one.row.origin
        if self.generator not in ("", origin.generator) or self.classification not in ("", origin.classification):
            return False
        if self.note not in ("", str(origin.document)):
            return False
        words = self.words.casefold()
        return not words or any(words in text.casefold() for text in (one.row.query, str(origin.document), one.text))


def outline(datasets: Path, name: str | None) -> Outline | None:
    """None for a dataset that is not kept (any more), or a name that is none."""
    if name is None or not _NAME.fullmatch(name):
        return None
    try:
        return msgspec.json.decode((datasets / name / "manifest.json").read_bytes(), type=Outline)
    except (OSError, msgspec.DecodeError):
        return None


def plain_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as lines:
        yield from lines


def proposals(directory: Path, target: Target, lines: Lines) -> Iterator[Proposal]:
    """Every row of a published dataset, in order. Raises OSError or msgspec.DecodeError for one that is not whole,
    and whatever ``lines`` does."""
    decode: Callable[[bytes], Row]
    decode = msgspec.json.Decoder(Pair).decode if target == "embedding" else msgspec.json.Decoder(Expansion).decode
    number = 0
    for split in SPLITS:
        for line in lines(directory / f"{split}.jsonl"):
            yield Proposal(number=number, split=split, row=decode(line))
            number += 1


def page(
    directory: Path, target: Target, lines: Lines, wanted: Wanted, *, start: int, most: int
) -> tuple[tuple[Proposal, ...], int | None]:
    """Up to ``most`` wanted rows from number ``start`` on, and the number to go on from, if there are more."""
    found = (one for one in proposals(directory, target, lines) if one.number >= start and wanted.holds(one))
    rows = tuple(islice(found, most + 1))
    return rows[:most], rows[most].number if len(rows) > most else None
