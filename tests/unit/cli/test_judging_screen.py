"""A query to judge fits every terminal, and every document can be marked and read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.cli.judging_screen import END, LETTERS, SIGNS, SKIP, lettered, next_grade, screen
from daemon.cli.terminal import NARROWEST, columns_of, folded
from daemon.web.judging import Found, own_question

NAMES = st.text(st.characters(exclude_characters="\t\r\n", exclude_categories=["Cs"]), min_size=1, max_size=60)
SIDES = st.lists(st.lists(NAMES, max_size=5, unique=True), min_size=1, max_size=2)


def question(tmp_path_factory, text: str, sides: list[list[str]]):
    found = [
        Found(by=by, documents=tuple(names)) for by, names in zip(("keywords", "your search"), sides, strict=False)
    ]
    return own_question(text, found, "judged", tmp_path_factory.getbasetemp())


@given(NAMES, SIDES, st.integers(NARROWEST, 200))
def test_it_fits_whatever_the_width(tmp_path_factory, text, sides, width) -> None:
    asked = question(tmp_path_factory, text, sides)
    marks = {document: number % 3 for number, document in enumerate(asked.documents)}
    shown = screen(asked, marks, "1 of 2", width).split("\n")
    assert all(columns_of(line) <= width for line in shown), [line for line in shown if columns_of(line) > width]
    assert not any(ord(character) < 32 for line in shown for character in line), "nothing in a name steers it"
    for letter, document in lettered(asked).items():
        assert any(line.startswith(f"{letter} {SIGNS[marks[document]]} ") for line in shown)


def test_both_sides_stand_beside_each_other_with_each_documents_place(tmp_path_factory) -> None:
    asked = question(tmp_path_factory, "mend a net", [["n/a.md", "n/b.md"], ["n/b.md", "n/c.md"]])
    rows = [line.split() for line in screen(asked, {"n/b.md": 2}, "1 of 1", 80).split("\n")]
    assert ["keywords", "your", "search"] in rows
    assert [row for row in rows if row and row[-1].startswith("n/")] == [
        ["a", "·", "1", "–", "n/a.md"],
        ["b", "★", "2", "1", "n/b.md"],
        ["c", "·", "–", "2", "n/c.md"],
    ]


def test_no_documents_letter_is_a_command_and_a_letter_goes_round() -> None:
    assert not {END, SKIP} & set(LETTERS) and len(set(LETTERS)) == len(LETTERS)
    assert [next_grade(None), next_grade(1), next_grade(2), next_grade(0)] == [1, 2, 0, 1]


@given(st.text(st.characters(exclude_categories=["C"])), st.integers(NARROWEST, 120))
def test_folding_loses_no_letter_and_no_line_is_too_wide(text, width) -> None:
    lines = folded(text, width, first="a  ")
    assert all(columns_of(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "a" + "".join(text.split())
