"""Tables and sentences fit the terminal they are shown on, and are whole where there is none."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.cli.result import fitted, table
from daemon.cli.terminal import NARROWEST, columns_of, in_colour, visible

WORDS = st.text(st.characters(exclude_categories=["C"]), max_size=30)


class Window(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def window(monkeypatch):
    def of(columns: int) -> Window:
        monkeypatch.setenv("COLUMNS", str(columns))
        made = Window()
        monkeypatch.setattr(sys, "stdout", made)
        return made

    return of


def test_colour_is_for_terminals_whose_owner_wants_it(monkeypatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert in_colour(Window()) and not in_colour(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not in_colour(Window())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not in_colour(Window())


@given(st.lists(st.lists(WORDS, min_size=3, max_size=3), min_size=1, max_size=5), st.integers(NARROWEST, 120))
def test_no_line_of_a_table_is_wider_than_the_terminal(rows, width) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        patch.setattr(sys, "stdout", Window())
        shown = fitted(table(["name", "what it is", ""], rows), sys.stdout)
    assert all(columns_of(line) <= width for line in shown.split("\n"))


def test_a_table_that_does_not_fit_is_shown_cell_by_cell(window) -> None:
    window(30)
    assert table(["release", "state"], [["v1", "live and in good health"], ["v2", ""]]) == (
        "release  v1\nstate    live and in good health\n\nrelease  v2"
    )


def test_where_there_is_no_terminal_nothing_is_folded() -> None:
    assert "\n" not in fitted("word " * 100, io.StringIO())
    assert max(map(len, table(["a", "b"], [["x" * 90, "y" * 90]]).split("\n"))) == 182


def test_what_is_folded_goes_on_under_its_first_word(window) -> None:
    told = fitted("pace     slowed, because the battery is low and the lid is closed", window(40))
    assert told.split("\n") == ["pace     slowed, because the battery is", "         low and the lid is closed"]


@given(st.text())
def test_what_others_wrote_cannot_steer_the_terminal(text) -> None:
    assert all(character >= " " and character not in "\x7f\x9b\u202e" for character in visible(text))
