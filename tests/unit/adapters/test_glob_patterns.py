"""Masks and ignores mean what fast-glob makes of them. The contract with real QMD is in tests/contracts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.adapters import glob_patterns
from jobs.adapters.glob_patterns import file_patterns, is_hidden, split_mask
from jobs.domain.errors import BadInput

ROOT = "/notes"


def lists(mask: str, path: str, *ignores: str) -> bool:
    return file_patterns(mask, ignores).lists(path, ROOT)


@pytest.mark.parametrize(
    ("mask", "parts"),
    [
        ("a.md,*.txt", ["a.md", "*.txt"]),
        ("{a,b}.md", ["{a,b}.md"]),
        ("[a,b].md , c.md,", ["[a,b].md", "c.md"]),
        ("", [""]),
    ],
)
def test_commas_separate_only_outside_braces_and_brackets(mask: str, parts: list[str]) -> None:
    assert split_mask(mask) == parts


def test_a_globstar_crosses_folders_and_a_star_does_not() -> None:
    assert lists("**/*.md", "a/b/c.md")
    assert lists("**.md", "a/b.md")
    assert not lists("*.md", "a/b.md")


def test_hidden_names_are_never_listed() -> None:
    assert not lists("**", ".obsidian/a.md")
    assert not lists("**/.a.md", "x/.a.md")


def test_the_fixed_ignores_close_their_folders_at_any_depth() -> None:
    patterns = file_patterns("**/*.md", ())
    assert not patterns.enters("a/node_modules")
    assert not patterns.lists("dist/a.md", ROOT)
    assert patterns.enters("distant")


@given(
    st.text("aA.(){}@+!-é ", min_size=1, max_size=6),
    st.lists(st.text("aA.()@é-", min_size=1, max_size=6), min_size=1, max_size=3).map("/".join),
)
def test_an_ignored_name_that_needs_no_expression_means_what_its_expression_means(name: str, path: str) -> None:
    pattern = f"**/{name}/**"
    if glob_patterns._name_anywhere(pattern):
        matched = glob_patterns._expression([pattern]).fullmatch(path) is not None
        assert matched == (name in path.split("/")) or is_hidden(path)


@pytest.mark.parametrize("name", ["@(a(b))", "*.tmp", "a[bc]", "a/b", "!a"])
def test_a_name_that_says_more_than_itself_keeps_its_expression(name: str) -> None:
    assert glob_patterns._name_anywhere(f"**/{name}/**") == ""


def test_an_ignore_without_magic_closes_the_folder_and_one_with_magic_only_the_files() -> None:
    assert not file_patterns("**", ("drafts",)).enters("drafts")
    assert file_patterns("**", ("dra*",)).enters("drafts")


def test_an_absolute_ignore_is_matched_against_the_whole_path() -> None:
    assert not lists("**", "a/b.md", f"{ROOT}/a/**")
    assert lists("**", "c/b.md", f"{ROOT}/a/**")


def test_walking_starts_at_the_leading_folders_without_magic() -> None:
    assert file_patterns("docs/a/**/*.md", ()).starts == ("docs/a",)
    assert file_patterns("docs/**,*.md", ()).starts == ("",)


def test_braces_without_end_are_refused_with_a_remedy() -> None:
    with pytest.raises(BadInput, match="more than 1000"):
        file_patterns("{1..5000}.md", ())


@given(mask=st.text("ab*?[]{}!(),|./\\^-", max_size=12), path=st.text("ab./", max_size=8))
def test_no_mask_is_ever_a_crash(mask: str, path: str) -> None:
    file_patterns(mask, (mask,)).lists(path, ROOT)
