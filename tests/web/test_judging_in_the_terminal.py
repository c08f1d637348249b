"""Queries are judged by single keys in a real terminal, and every answer reaches the owner's files at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.web.judging import known_grades
from jobs.domain.examples import OWN_SET
from tests.terminal import CTRL_C, Terminal, terminal
from tests.web.household import Household

KEPT = "kept in evaluation/"


def judging(household: Household, *words: str, columns: int = 80):
    home = ("--home", str(household.home.root))
    return terminal(*home, "evaluation", "add", *words, environment=os.environ, columns=columns)


def open_ones(household: Household):
    return [one for one in household.questions() if not one.judged]


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_most_telling_query_comes_first_with_both_arms(household: Household, columns: int) -> None:
    first, *_ = waiting = open_ones(household)
    with judging(household, columns=columns) as person:
        person.waits_for("q: end")
        shown = person.seen
        assert f"1 of {len(waiting)}" in shown and first.text in " ".join(shown.split())
        assert "today" in shown and "candidate" in shown
        assert all(len(line) <= columns for line in shown.split("\n"))
        person.types("q", "0 judged now")
        assert person.ends() == 0


def test_marks_are_kept_with_enter_and_it_goes_on_where_it_was_left(household: Household) -> None:
    first, second, *_ = open_ones(household)
    with judging(household) as person:
        person.waits_for("q: end")
        person.types("b", "b ✓")
        person.types("b", "b ★")
        person.types("\x1b[A\n", "2 of ")  # an arrow is no letter
        person.types("q", "1 judged now")
        assert person.ends() == 0
    folder = household.home.evaluation / first.folder
    grades = known_grades(folder, first.query, first.documents)
    assert grades == {document: first.relevant.get(document, 0) for document in first.documents} | {
        first.documents[1]: 2
    }
    assert [json.loads(line)["_id"] for line in (folder / "queries.jsonl").read_text().splitlines()] == [first.query]
    with judging(household) as person:
        person.waits_for(second.text.split()[-1])
        assert open_ones(household)[0].query == second.query


def test_ctrl_c_keeps_what_was_said(household: Household) -> None:
    first, *_ = open_ones(household)
    with judging(household) as person:
        person.waits_for("q: end")
        person.types("c", "c ✓")
        person.types(CTRL_C, "1 judged now")
        assert person.ends() == 130 and "Traceback" not in person.seen
    folder = household.home.evaluation / first.folder
    assert known_grades(folder, first.query, first.documents) == {first.documents[2]: 1}
    assert open_ones(household)[0].query == first.query, "the others of its documents wait to be judged"


def test_without_an_answer_nothing_is_kept_and_a_query_can_be_skipped(household: Household) -> None:
    first, *_ = open_ones(household)
    marked = [
        letter for letter, document in zip("abcdefgh", first.documents, strict=False) if document in first.relevant
    ]
    with judging(household) as person:
        person.waits_for("q: end")
        for letter in marked:  # what the gate went by is taken back: an answer, the best, none
            person.types(letter, f"{letter} ★")
            person.types(letter, f"{letter} –")
        person.types("\n", "none of the documents is marked as an answer")
        person.types("s", "2 of ")
        person.types("q", "0 judged now")
    assert not household.home.evaluation.exists()


def test_a_document_can_be_read_before_it_is_judged(household: Household) -> None:
    with judging(household) as person:
        person.waits_for("q: end")
        assert "any key: back" in person.types("A", "any key: back")
        person.types("x", "q: end")
        person.types("q", "0 judged now")


@pytest.mark.parametrize("words", [(), ("--json",), ("how to mend a net",)])
def test_without_a_terminal_the_words_say_what_to_do(household: Household, words) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "daemon.cli", "--home", str(household.home.root), "evaluation", "add", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 2
    assert ("unrecognized" if words == ("--json",) else "needs a terminal") in told.stdout + told.stderr
    assert not household.home.evaluation.exists()


def test_a_set_keeps_its_own_name_and_no_name_climbs(household: Household) -> None:
    with judging(household, "--set", "../elsewhere") as person:
        assert person.ends() == 1 and "cannot name a set" in person.seen
    with judging(household, "--set", "family") as person:
        person.waits_for(f"{KEPT}family")
        person.types("\n", "2 of ")
    assert (household.home.evaluation / "family" / "qrels.tsv").exists()
    assert not (household.home.evaluation / OWN_SET).exists()


def until_own_queries(person: Terminal, open_count: int) -> None:
    person.waits_for("q: end")
    for number in range(open_count):
        person.types("s", f"{number + 2} of " if number + 1 < open_count else "Your own query")


def test_after_the_last_one_your_own_query_is_asked_for(household: Household) -> None:
    with judging(household) as person:
        until_own_queries(person, len(open_ones(household)))
        person.types("\n", "0 judged now")
        assert person.ends() == 0


def test_a_search_that_cannot_start_says_why(household: Household, tmp_path: Path) -> None:
    (household.home.root / "config.toml").write_text(f'[qmd]\npackage = "{tmp_path}"\n')
    with judging(household, "mend a net") as person:
        assert person.ends() == 1
        assert "qmd.package" in person.seen and "next:" in person.seen
