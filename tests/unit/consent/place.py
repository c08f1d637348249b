"""A home beside a real collection, whose consents are asked about a note."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from config.paths import Home
from jobs.consent.book import ConsentBook
from jobs.consent.terms import InForce, in_force
from jobs.domain.consent import NoteSaid, Ruling, ruling
from jobs.domain.corpus import Collection, DocumentId
from tests.unit.dataset.sample import small_settings, write_consent

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
RECORD = """
schema = "iaip.consent/1"
holder = "Ada"
kind = "person"
contact = "ada@example.org"
language = "oj"
agreed = 2026-01-02
[[grant]]
uses = ["embed", "evaluate"]
folders = ["{place}"]
"""


class Place:
    """A home beside one real collection."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(root=folder / "home")
        self.notes = folder / "notes"
        self.notes.mkdir()
        self.collections = [Collection(name="kb", path=str(self.notes))]
        self.book = ConsentBook(self.home.consent)

    def note(self, path: str, text: str = "# A note\n") -> DocumentId:
        file = self.notes / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return DocumentId(collection="kb", path=path)

    def record(self, place: str = "kb", more: str = "", name: str = "ada.toml", text: str = RECORD) -> None:
        write_consent(self.home, name, text.replace("{place}", place) + more)

    def now(self, *documents: DocumentId, at: datetime = NOW) -> InForce:
        return in_force(self.home, small_settings(), self.collections, documents, at)

    def ruled(self, path: str = "a/n.md", at: datetime = NOW) -> Ruling:
        document = DocumentId(collection="kb", path=path)
        return ruling(document, NoteSaid(), self.now(document, at=at).terms)
