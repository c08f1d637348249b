"""A dataset of what notes are about: its manifest, and a few rows of either kind as it would propose them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from jobs.domain.corpus import DocumentId, digest
from jobs.domain.examples import (
    DatasetCounts,
    DatasetManifest,
    Expansion,
    ExpansionLine,
    Generator,
    Origin,
    Pair,
    Row,
    SourceDocument,
    Split,
    Target,
)

SUBJECTS = "ice road,fish camp,woodstove,snow machine,dog team,trapline,canoe,northern lights,spruce tea,net mending"
QUESTIONS = "when to repair the {},who taught us about the {},parts for the {},dates of the {},story of the {}"
GENERATORS: tuple[Generator, ...] = ("title", "heading", "link")


def manifest(name: str, target: Target, notes: Sequence[DocumentId], chance: Random) -> DatasetManifest:
    sources = tuple(
        SourceDocument(
            id=note,
            sha256=digest(str(note), name) * 4,
            rows=chance.randrange(2, 30),
            classification="public",
        )
        for note in notes
    )
    counts = DatasetCounts(
        rows={"train": 3200, "development": 400, "test": 600},
        generators={"title": 1400, "heading": 2800},
        languages={"en": 3900, "fr": 300},
        dropped={},
    )
    return DatasetManifest(
        name=name,
        target=target,
        generator_version=1,
        seed=7,
        counts=counts,
        sources=sources,
        excluded=3,
        curated_problems=(),
    )


def rows(target: Target, notes: Sequence[DocumentId]) -> dict[Split, list[Row]]:
    """A few rows of either kind: seven in ten to learn from."""
    made: dict[Split, list[Row]] = {"train": [], "development": [], "test": []}
    for number, note in enumerate(notes[:120]):
        split: Split = "train" if number % 10 < 7 else "development" if number % 10 < 8 else "test"
        made[split].append(row(target, note, number))
    return made


def row(target: Target, note: DocumentId, number: int) -> Row:
    query = QUESTIONS.split(",")[number % 5].format(note.path.partition("/")[0].replace("-", " "))
    origin = Origin(
        document=note,
        sha256=digest(str(note)) * 4,
        start=0,
        length=200,
        generator=GENERATORS[number % 3],
        classification="personal" if number % 4 == 0 else "public",
        consents=("me@2",) if number % 4 == 0 else (),
    )
    passage = f"In {note.path.partition('/')[2][:4]} we went out before the light came. " * (2 + number % 6)
    if target == "embedding":
        return Pair(query=query, title=query, passage=passage, relevant=(note,), language="en", origin=origin)
    lines = (ExpansionLine(kind="lex", text=f"{query} tools"), ExpansionLine(kind="hyde", text=passage[:160]))
    return Expansion(query=query, lines=lines, language="en", origin=origin)
