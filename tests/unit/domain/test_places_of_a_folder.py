"""What is asked once for a whole folder leaves out nothing that speaks of any document in it."""

from __future__ import annotations

from unicodedata import normalize

from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.corpus import DocumentId
from jobs.domain.places import Place, holds, may_hold, may_meet

NAMES = st.sampled_from(["a", "A", "b", "Aînés", normalize("NFD", "aînés"), "n.md", "."])
PLACES = st.builds(
    Place, collection=st.sampled_from(["kb", "KB", "notes"]), parts=st.lists(NAMES, max_size=3).map(tuple)
)


@given(PLACES, st.sampled_from(["kb", "notes"]), st.lists(NAMES, max_size=3), NAMES)
def test_a_place_that_holds_a_document_meets_its_folder(
    place: Place, collection: str, folders: list[str], name: str
) -> None:
    document = DocumentId(collection=collection, path="/".join([*folders, name]))
    if may_hold(place, document) or holds(place, document):
        assert may_meet(place, collection, "/".join(folders))


def test_a_place_elsewhere_does_not() -> None:
    elders = Place(collection="kb", parts=("elders",))
    assert may_meet(elders, "kb", "") and may_meet(elders, "kb", "Elders/songs")
    assert not may_meet(elders, "kb", "open") and not may_meet(elders, "notes", "elders")
