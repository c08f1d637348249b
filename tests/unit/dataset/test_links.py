from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.dataset.links import DocumentNames
from jobs.dataset.markdown import Link
from jobs.domain.corpus import DocumentId

PATHS = ("index.md", "a/one.md", "a/two words.md", "a/b/index.md", "c/One.md", "c/README.md", "Été.md")
NAMES = DocumentNames(
    [*(DocumentId(collection="kb", path=path) for path in PATHS), DocumentId(collection="kb2", path="a/one.md")]
)


def link(target: str, wiki: bool = False) -> Link:
    return Link(target=target, fragment="", anchor="", wiki=wiki)


def led(source: str, target: str, wiki: bool = False) -> str | None:
    found = NAMES.linked(DocumentId(collection="kb", path=source), link(target, wiki))
    return found.path if found else None


@pytest.mark.parametrize(
    ("source", "target", "found"),
    [
        ("a/one.md", "two%20words.md", "a/two words.md"),
        ("a/one.md", "./b/", "a/b/index.md"),
        ("a/one.md", "../c", "c/README.md"),
        ("a/b/index.md", "../one", "a/one.md"),
        ("a/one.md", "/index.md", "index.md"),
        ("a/one.md", "../../index.md", None),
        ("a/one.md", "../../kb/index.md", None),
        ("a/one.md", "%2e%2e/%2e%2e/index.md", None),
        ("a/one.md", "one.md", None),
        ("a/one.md", "", None),
        ("a/one.md", "missing.md", None),
        ("index.md", "e\u0301te\u0301.md".replace("e\u0301t", "É".lower() + "t"), "Été.md"),
    ],
)
def test_a_relative_link_leads_inside_its_collection_or_nowhere(source: str, target: str, found: str | None) -> None:
    assert led(source, target) == found


def test_a_wiki_link_prefers_its_own_folder_and_refuses_to_guess() -> None:
    assert led("c/README.md", "one", wiki=True) == "c/One.md"
    assert led("index.md", "one", wiki=True) is None
    assert led("index.md", "a/one", wiki=True) == "a/one.md"
    assert led("index.md", "Two Words.md", wiki=True) == "a/two words.md"


def test_a_document_is_named_with_its_collection_or_by_a_path_of_only_one() -> None:
    assert NAMES.named("kb2/a/one.md") == DocumentId(collection="kb2", path="a/one.md")
    assert NAMES.named("a/one.md") is None
    assert NAMES.named("a/b/index.md") == DocumentId(collection="kb", path="a/b/index.md")


@given(st.sampled_from(PATHS), st.text("./a%2eoneb\0\\ ", max_size=30), st.booleans())
def test_a_link_never_leaves_its_collection_and_never_leads_to_itself(source: str, target: str, wiki: bool) -> None:
    document = DocumentId(collection="kb", path=source)
    found = NAMES.linked(document, link(target, wiki))
    assert found is None or (found.collection == "kb" and found != document)
