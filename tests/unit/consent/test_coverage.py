"""What a consent covers among the notes there are: what is in, what is out and why."""

from __future__ import annotations

from jobs.consent.coverage import Coverage, covered
from jobs.domain.corpus import Collection, Document, DocumentId
from tests.unit.consent.place import NOW, Place
from tests.unit.dataset.sample import excluding, small_settings, write_policy


class Files:
    """The corpus of one folder, read plainly."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def collections(self) -> list[Collection]:
        return self._place.collections

    def read(self, document: DocumentId) -> Document:
        text = (self._place.notes / document.path).read_text()
        return Document(id=document, sha256="", text=text)


def coverage(place: Place, *documents: DocumentId) -> Coverage:
    return covered(Files(place), documents, place.home, small_settings(), NOW)


def test_coverage_says_what_is_in_what_is_out_and_why(personal: Place) -> None:
    personal.record("kb/a")
    documents = [
        personal.note("a/n.md"),
        personal.note("b/n.md"),
        personal.note("a/s.md", "---\niaip: sacred\n---\n"),
        personal.note("a/x.md", "---\na: [\n---\n"),
    ]
    found = coverage(personal, *documents)
    assert found.classes() == {"personal": (1, 2), "sacred": (0, 1)}
    assert found.reasons() == {"no consent of a person": 1, "sacred": 1, "unreadable front matter": 1}
    assert found.uses() == {"embed": 1, "evaluate": 1}


def test_a_consent_for_a_folder_that_moved_covers_nothing_and_is_named(personal: Place) -> None:
    document = personal.note("elders/n.md")
    personal.record(str(personal.notes / "elders"))
    assert personal.ruled("elders/n.md").uses
    assert coverage(personal, document).astray == ()
    (personal.notes / "elders").rename(personal.notes / "ancestors")
    moved = DocumentId(collection="kb", path="ancestors/n.md")
    assert personal.ruled("ancestors/n.md").uses == ()
    assert coverage(personal, moved).astray == (f"ada.toml: {personal.notes / 'elders'}",)


def test_a_restriction_for_a_folder_that_moved_is_named(place: Place) -> None:
    elders = place.notes / "elders"
    write_policy(
        place.home,
        f'[[rule]]\nplace = "{place.notes}"\nclassification = "public"\n'
        f'[[rule]]\nplace = "{elders}"\nclassification = "sacred"\n'
        '[[rule]]\nplace = "kb/open"\nclassification = "public"\n'
        '[[rule]]\nplace = "curated"\nclassification = "personal"\n',
    )
    settings = excluding("private", str(elders))
    document = place.note("elders/n.md")
    [excluded] = covered(Files(place), [document], place.home, settings, NOW).idle
    assert excluded == "excluded_folders: private"
    assert coverage(place, document).idle == ()
    elders.rename(place.notes / "seniors")
    moved = DocumentId(collection="kb", path="seniors/n.md")
    found = covered(Files(place), [moved], place.home, settings, NOW)
    assert found.classes() == {"public": (1, 0)}
    assert found.idle == (f"policy.toml: {elders}", "excluded_folders: private", f"excluded_folders: {elders}")
