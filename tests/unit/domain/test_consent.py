from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.dataset.markdown import read_note
from jobs.domain.consent import FrontMatter, excluded_folders, permitted
from jobs.domain.corpus import Collection, DocumentId

KB = Collection(name="kb", path="/home/ada/notes")


def allowed(text: str = "", path: str = "a/b.md", folders: tuple[str, ...] = ()) -> bool:
    document = DocumentId(collection="kb", path=path)
    return permitted(read_note(text).front_matter, document, excluded_folders(folders, (KB,)), "dataset").allowed


@pytest.mark.parametrize(
    "mark",
    ["iaip: exclude", "IAIP: Exclude", "iaip: {exclude: true}", "iaip: {exclude: yes}", "iaip: [exclude]",
     "iaip:\n  - exclude", "iaip: [{exclude: true}]", "iaip: something new", "iaip: true", "iaip: ok\nIaip: exclude"],
)  # fmt: skip
def test_a_mark_that_excludes_or_is_not_understood_denies(mark: str) -> None:
    assert not allowed(f"---\n{mark}\n---\ntext\n")


@pytest.mark.parametrize("mark", ["title: x", "iaip:", "iaip: {exclude: false}", "iaip: {exclude: no}", "iaip: []"])
def test_a_note_that_excludes_nothing_is_permitted(mark: str) -> None:
    assert allowed(f"---\n{mark}\n---\ntext\n")


def test_broken_front_matter_denies() -> None:
    assert not allowed("---\na: [\n---\ntext\n")


@pytest.mark.parametrize(
    ("folder", "path", "denied"),
    [
        ("private", "private/a.md", True),
        ("private", "work/Private/a.md", True),
        ("work/private/", "x/work/private/deep/a.md", True),
        ("private", "private.md", False),
        ("private", "privateer/a.md", False),
        ("kb/private", "private/a.md", True),
        ("kb", "a.md", True),
        ("/home/ada/notes/private", "private/a.md", True),
        ("/home/ada/notes/private", "work/private/a.md", False),
        ("/home/ada", "a.md", True),
        ("/home/ada/notes", "a.md", True),
        ("/home/ada/note", "a.md", False),
        ("", "a.md", False),
        ("Caf\u00e9", unicodedata.normalize("NFD", "CAFÉ") + "/a.md", True),
    ],
)
def test_an_excluded_folder_denies_whatever_its_spelling(folder: str, path: str, denied: bool) -> None:
    assert allowed(path=path, folders=(folder,)) is not denied


@given(st.lists(st.sampled_from(["private", "Work", "a", "b"]), min_size=1, max_size=4), st.booleans())
def test_more_excluded_folders_never_permit_more(parts: list[str], marked: bool) -> None:
    document = DocumentId(collection="kb", path="/".join([*parts, "n.md"]))
    front = FrontMatter(state="read", marks=("exclude",) if marked else ())
    few = permitted(front, document, excluded_folders(("b",), (KB,)), "dataset").allowed
    more = permitted(front, document, excluded_folders(("b", "private"), (KB,)), "dataset").allowed
    assert more <= few
