"""A knowledge base in memory, and notes to fill it with."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from config.load import load_settings
from config.paths import Home
from config.settings import Settings
from jobs.consent.book import ConsentBook
from jobs.dataset.refresh import Inputs
from jobs.domain.corpus import Collection, Document, DocumentId
from jobs.domain.errors import BadInput
from jobs.ports import TokenCounter
from tests.house import keys_of

WORDS = (
    "river harvest lantern quarry meadow compass orchard gravel saddle timber anchor kettle pottery weaving mirror "
    "glacier tunnel bridge archive ledger signal voltage enzyme protein neuron planet comet crater magnet crystal "
    "sailing rowing fencing archery baking brewing fermenting grafting pruning mulching drainage irrigation terrace "
    "cathedral abbey cloister mosaic fresco etching engraving lithograph typeface ligature margin folio vellum"
).split()


LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
"""When everything was imported: the log's newest entry is a clock too."""


class Notes:
    """The Corpus port over a dictionary: path → text, or the reason why it cannot be read."""

    def __init__(self, notes: dict[str, str | BadInput], root: str = "/kb") -> None:
        self.notes = notes
        self.read_paths: list[str] = []
        self._root = root

    def collections(self) -> Sequence[Collection]:
        return (Collection(name="kb", path=self._root),)

    def read(self, document: DocumentId) -> Document:
        self.read_paths.append(document.path)
        text = self.notes[document.path]
        if isinstance(text, BadInput):
            raise text
        return Document(id=document, sha256=sha256(text), text=text)

    def inputs(self, place: Home, settings: Settings | None = None, tokens: TokenCounter | None = None) -> Inputs:
        """By the small settings, unless others are named."""
        return Inputs(
            corpus=self,
            documents=self.listing(),
            home=place,
            settings=settings or small_settings(),
            keys=keys_of(place),
            tokens=tokens,
        )

    def listing(self) -> list[tuple[DocumentId, str]]:
        return [
            (DocumentId(collection="kb", path=path), sha256(text if isinstance(text, str) else path))
            for path, text in self.notes.items()
        ]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def note(number: int, sections: int = 3) -> str:
    """A note of its own subject; the same number gives the same note."""
    chance = random.Random(number)
    subject = f"{chance.choice(WORDS).title()} {chance.choice(WORDS)} {number}"
    parts = [f"# {subject}\n\n{sentence(chance, subject)} {sentence(chance, subject)}\n"]
    for _ in range(sections):
        heading = f"{chance.choice(WORDS).title()} {chance.choice(WORDS)} {chance.choice(WORDS)}"
        parts.append(f"## {heading}\n\n{sentence(chance, heading)} {sentence(chance, heading)}\n")
    return "\n".join(parts)


def sentence(chance: random.Random, about: str) -> str:
    words = " ".join(chance.choice(WORDS) for _ in range(8))
    return f"The {about} is about {words} and how they were made."


def notes(count: int, **others: str | BadInput) -> Notes:
    return Notes({**{f"note-{number}.md": note(number) for number in range(count)}, **others})


def small_settings(**dataset: int | float) -> Settings:
    """The defaults, but content with few rows."""
    defaults = load_settings(Path("/nonexistent/config.toml"))
    few = {"minimum_pairs": 1, "minimum_expansions": 1} | dataset
    return msgspec.structs.replace(defaults, dataset=msgspec.structs.replace(defaults.dataset, **few))


def excluding(*folders: str) -> Settings:
    settings = small_settings()
    return msgspec.structs.replace(settings, watch=msgspec.structs.replace(settings.watch, excluded_folders=[*folders]))


def home(folder: Path) -> Home:
    """A home whose steward has called the notes and the curated files public."""
    place = Home(root=folder)
    if not place.consent.exists():
        classify(place, kb="public", curated="public")
    return place


def classify(place: Home, **classes: str) -> None:
    """Writes the policy of a home anew, a class a collection, and imports it."""
    rules = (f'[[rule]]\nplace = "{name}"\nclassification = "{word}"\n' for name, word in classes.items())
    write_policy(place, "\n".join(rules))


def write_policy(place: Home, text: str) -> None:
    write_consent(place, "policy.toml", text)


def write_consent(place: Home, name: str, text: str) -> None:
    book = ConsentBook(place.consent)
    with book.held() as pen:
        pen.write(name, text)
    book.import_changes("a test", LONG_AGO)


def quiet(done: int, total: int) -> None:
    """A report nobody reads."""
