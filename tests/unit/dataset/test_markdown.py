from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from jobs.dataset.markdown import paragraphs, plain, read_note
from jobs.domain.consent import Said


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("`code` and **bold** and _thin_", "code and bold and thin"),
        ("[words](https://example.org/a_b)", "words"),
        ("chalk [![NPM](https://x/y.svg)](https://npm)", "chalk"),
        ("[[note-name|the note]] and [[Other]]", "the note and Other"),
        ("Body { #request-body }", "Body"),
        ("a<br/>b &amp; c", "a b & c"),
        ("snake_case stays, 2 * 3 too", "snake_case stays, 2 * 3 too"),
        ("note[^1] here", "note here"),
    ],
)
def test_inline_marks_are_not_part_of_what_is_read(markdown: str, shown: str) -> None:
    assert plain(markdown) == shown


def test_a_hash_inside_a_code_fence_is_not_a_heading() -> None:
    text = "# One\n\n```sh\n# not one\n```\n\nTwo\n===\n\n~~~\n## nor this\n~~~\n\n## Three ##\n"
    assert [(heading.text, heading.depth) for heading in read_note(text).headings] == [
        ("One", 1),
        ("Two", 1),
        ("Three", 2),
    ]


def test_sections_follow_each_other_without_a_gap() -> None:
    text = "intro\n\n# A\n\nbody a\n\nB\n---\nbody b\n"
    one, two = read_note(text).headings
    assert text[one.start : one.end] == "# A\n\nbody a\n\n"
    assert text[two.start : two.end] == "B\n---\nbody b\n"
    assert text[two.body : two.end] == "body b\n"


def test_links_are_found_with_their_anchors_and_not_in_code() -> None:
    text = (
        "See [the river](rivers/loire.md#source) and [[Compass|a compass]].\n"
        "![picture](x.png) [site](https://example.org) [top](#top) ![[embedded]]\n"
        "```\n[not](this.md)\n```\n"
    )
    found = [(link.target, link.fragment, link.anchor, link.wiki) for link in read_note(text).links]
    assert found == [("rivers/loire.md", "source", "the river", False), ("Compass", "", "a compass", True)]


def test_front_matter_gives_aliases_tags_and_marks() -> None:
    text = "---\ntitle: T\naliases: [One, Two]\ntags: a/b, c\nIAIP:\n  Exclude: yes\n---\n# H\n"
    note = read_note(text)
    front = note.front_matter
    assert (front.state, front.title, front.aliases, front.tags, front.said) == (
        "read", "T", ("One", "Two"), ("a/b", "c"), Said(exclude=True),
    )  # fmt: skip
    assert text[note.body :] == "# H\n"


@pytest.mark.parametrize(
    "text",
    [
        "---\ntags: [a\n---\n# H\n",
        "---\na: 1\na: 2\n---\n",
        "---\niaip: exclude\n# never ends\n",
        "---\na: &x [*x\n---\n",
        "---\na: " + "[" * 1500 + "\n---\n",
        "---\na: " + "x" * 70_000 + "\n---\n",
        "---\njust: a: colon\n---\n",
    ],
)
def test_front_matter_that_cannot_be_read_is_broken(text: str) -> None:
    assert read_note(text).front_matter.state == "broken"


def test_a_few_lines_that_spell_an_endless_tree_are_read_at_once() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)), "iaip: *a59"]
    started = time.process_time()
    assert read_note("---\n" + "\n".join(lines) + "\n---\n").front_matter.said == Said(unknown=True)
    assert time.process_time() - started < 5.0


@pytest.mark.parametrize("text", ["", "# Plain", "---\n\nA rule opens this note.\n\n---\n", "---\n---\n# Empty"])
def test_a_note_without_front_matter_says_nothing_of_itself(text: str) -> None:
    assert read_note(text).front_matter.state == "none"


@given(st.text(st.sampled_from("#`~-=[]()|!<>{}\n\r \t*_&a1é😀:.\ufeff"), max_size=300))
def test_any_text_is_read_and_its_sections_lie_inside_it(text: str) -> None:
    note = read_note(text)
    edges = [note.body, *(edge for heading in note.headings for edge in (heading.start, heading.end))]
    assert edges == sorted(edges)
    assert all(heading.start <= heading.body <= heading.end <= len(text) for heading in note.headings)
    list(paragraphs(text))


@pytest.mark.parametrize("piece", ["[", "[[", "![", "[a](", "<", "**", "`", "[x|", "{ .", "*", "#", "\\", "&", "> "])
def test_a_long_line_of_marks_does_not_take_long(piece: str) -> None:
    text = piece * 40_000
    started = time.process_time()
    read_note(text)
    list(paragraphs(text))
    assert time.process_time() - started < 10.0


def test_headings_are_those_of_a_commonmark_parser() -> None:
    """On manuals of all sorts; the parser's headings inside lists and quotes are not ours to find."""
    parser = MarkdownIt("commonmark")
    compared = 0
    for path in sorted(Path(__file__).parents[3].glob(".tools/qmd/node_modules/*/*.md")):
        text = path.read_text("utf-8", errors="ignore")
        note = read_note(text)
        if note.body:
            continue
        tokens = parser.parse(text)
        expected = [token.map[0] for token in tokens if token.type == "heading_open" and token.level == 0 and token.map]
        html = [range(*token.map) for token in tokens if token.type == "html_block" and token.map]
        ours = [text.count("\n", 0, heading.start) for heading in note.headings]
        ours = [line for line in ours if not any(line in block for block in html)]
        assert ours == expected, path
        compared += len(expected)
    if not compared:
        pytest.skip("no manuals are installed")
