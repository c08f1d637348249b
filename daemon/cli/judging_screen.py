"""A query to judge as a terminal shows it: every document once, with its place on either side and its mark. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from daemon.cli.terminal import columns_of, folded, visible
from daemon.web.judging import GRADES, Found, Question

LETTERS = "abcdefghijklmnoprtuvwxyz"
"""One a document; q ends and s skips."""
END, SKIP = "q", "s"
SIGNS = {None: "·", 0: "–", 1: "✓", 2: "★"}
LEGEND = "letter: mark it (✓ an answer, ★ the best, – none)", "capital: read it", "Enter: keep", "s: skip", "q: end"
ARMS = {"none": "no model", "current": "today", "candidate": "candidate"}
_SIGN_COLUMNS = 4
_GAP = 2


def lettered(question: Question) -> dict[str, str]:
    """Letter → document, for as many as there are letters."""
    return dict(zip(LETTERS, question.documents, strict=False))


def next_grade(mark: int | None) -> int:
    """What a mark becomes when its letter is typed: an answer, the best, none, and round again."""
    return 1 if mark is None else (mark + 1) % len(GRADES)


def screen(question: Question, marks: Mapping[str, int], heading: str, width: int) -> str:
    """No line is wider than ``width`` columns."""
    lines = [*folded(heading, width), *folded(f"“{visible(question.text)}”", width), ""]
    titles = [ARMS.get(side.by, side.by) for side in question.sides]
    places = [max(columns_of(title), _GAP) + _GAP for title in titles]
    if _SIGN_COLUMNS + sum(places) > width // 2:  # too narrow for titles: numbers stand for them
        titles, legend = [str(number + 1) for number in range(len(titles))], titles
        places = [4] * len(titles)
        lines += [line for number, told in enumerate(legend) for line in folded(f"{number + 1}: {told}", width)]
    lines.append((" " * _SIGN_COLUMNS + "".join(_cell(*pair) for pair in zip(titles, places, strict=True))).rstrip())
    for letter, document in lettered(question).items():
        ranks = "".join(_cell(_rank(side, document), place) for side, place in zip(question.sides, places, strict=True))
        lines += folded(visible(document), width, first=f"{letter} {SIGNS[marks.get(document)]} {ranks}")
    return "\n".join([*lines, "", *folded(" · ".join(LEGEND), width)])


def _rank(side: Found, document: str) -> str:
    return str(side.documents.index(document) + 1) if document in side.documents else "–"


def _cell(text: str, columns: int) -> str:
    return text + " " * (columns - columns_of(text))
