"""Cuts a document into the passages that QMD 2.8.3 embeds, and names it as QMD does.

QMD counts in UTF-16 units and spells its patterns as JavaScript regular expressions. Both are
followed to the letter here, because a model is trained on the very texts it will be served.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from typing import NamedTuple

from jobs.domain.corpus import Passage

CountTokens = Callable[[str], int]

MOST_TOKENS = 900
UNITS_PER_TOKEN = 3
OVERLAP_TOKENS = 135
WINDOW_TOKENS = 200

SPACE = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))
"""The characters that ``\\s`` matches and ``trim`` removes in JavaScript."""

# (pattern, score): the higher the score, the better the place to cut, just before the newline.
_BREAKS = (
    *((re.compile(rf"\n#{{{depth}}}(?!#)"), 110 - 10 * depth) for depth in range(1, 7)),
    (re.compile(r"\n```"), 80),
    (re.compile(rf"\n(?:---|\*\*\*|___)[{SPACE}]*\n"), 60),
    (re.compile(r"\n\n+"), 20),
    (re.compile(rf"\n[-*][{SPACE}]"), 5),
    (re.compile(rf"\n[0-9]+\.[{SPACE}]"), 5),
    (re.compile(r"\n"), 1),
)
_FENCE = re.compile(r"\n```")
_DECAY = 0.7

_LINE = r"[^\n\r\u2028\u2029]"
_LINE_START = r"(?:^|(?<=[\n\r\u2028\u2029]))"
_LINE_END = r"(?=[\n\r\u2028\u2029]|\Z)"
_HEADING = re.compile(rf"{_LINE_START}##?[{SPACE}]+({_LINE}+){_LINE_END}")
_SECOND_HEADING = re.compile(rf"{_LINE_START}##[{SPACE}]+({_LINE}+){_LINE_END}")
_NO_TITLE = {"📝 Notes", "Notes"}


class _Sizes(NamedTuple):
    """The most, the overlap and the search window of one cut, in UTF-16 units."""

    most: int
    overlap: int
    window: int


_FIRST_PASS = _Sizes(MOST_TOKENS * UNITS_PER_TOKEN, OVERLAP_TOKENS * UNITS_PER_TOKEN, WINDOW_TOKENS * UNITS_PER_TOKEN)


def cut(text: str, count_tokens: CountTokens | None = None) -> tuple[Passage, ...]:
    """The passages of ``text``, in order, overlapping as QMD's do.

    Without ``count_tokens`` (tokens of a text in the embedding model's own tokenizer) a passage may
    hold more than 900 tokens: it is QMD's first pass. With it, such a passage is split again as QMD does.
    """
    units = _as_units(text)
    spans = _cut_units(units, _FIRST_PASS)
    if count_tokens is not None:
        spans = [span for start, end in spans for span in _within_tokens(units, start, end, count_tokens)]
    if units is text:
        return tuple(Passage(start=start, text=text[start:end]) for start, end in spans)
    halves = [index for index, unit in enumerate(units) if "\ud800" <= unit <= "\udbff"]
    return tuple(
        Passage(start=start - bisect_left(halves, start), text=_as_text(units[start:end])) for start, end in spans
    )


def title(text: str, filename: str) -> str:
    """The title QMD gives a Markdown file: its first heading of depth 1 or 2, else the file's name."""
    if filename[filename.rfind(".") :].lower() == ".md" and (found := _heading_title(text)):
        return found
    stem = re.sub(r"\.[^.]+$", "", filename)
    return stem.split("/")[-1] or filename


def _heading_title(text: str) -> str:
    match = _HEADING.search(text)
    if match is None:
        return ""
    found = match[1].strip(SPACE)
    if found in _NO_TITLE and (second := _SECOND_HEADING.search(text)):
        return second[1].strip(SPACE)
    return found


def _as_units(text: str) -> str:
    """One character a UTF-16 unit; the text itself where that changes nothing."""
    if text.isascii() or max(text) <= "\uffff":
        return text
    return "".join(map(chr, array("H", text.encode("utf-16-le"))))


def _as_text(units: str) -> str:
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le")


def _cut_units(units: str, sizes: _Sizes) -> list[tuple[int, int]]:
    """(start, end) of each passage."""
    if len(units) <= sizes.most:
        return [(0, len(units))]
    places, scores = _places_to_cut(units)
    spans: list[tuple[int, int]] = []
    start = 0
    while True:
        target = min(start + sizes.most, len(units))
        end = target if target == len(units) else _best_place(places, scores, target, sizes.window)
        if end <= start:
            end = target
        end = _off_pair(units, end, start)
        spans.append((start, end))
        if end >= len(units):
            return spans
        following = end - sizes.overlap
        start = _off_pair(units, following if following > start else end, start)


def _places_to_cut(units: str) -> tuple[list[int], list[int]]:
    """Positions outside code fences, ascending, and their scores."""
    best: dict[int, int] = {}
    for pattern, score in _BREAKS:
        for match in pattern.finditer(units):
            position = match.start()
            if score > best.get(position, -1):
                best[position] = score
    fences = [match.start() for match in _FENCE.finditer(units)]
    places = [place for place in sorted(best) if not _fenced(place, fences)]
    return places, [best[place] for place in places]


def _fenced(place: int, fences: list[int]) -> bool:
    """Fences open and close in turn; the opening newline itself is a fair place to cut."""
    before = bisect_left(fences, place)
    if before % 2 == 1:
        return True
    return before > 0 and place < fences[before - 1] + len("\n```")


def _best_place(places: list[int], scores: list[int], target: int, window: int) -> int:
    best_score, best_place = -1.0, target
    if window == 0:
        return target
    for index in range(bisect_left(places, target - window), bisect_right(places, target)):
        back = (target - places[index]) / window
        score = scores[index] * (1.0 - (back * back) * _DECAY)
        if score > best_score:
            best_score, best_place = score, places[index]
    return best_place


def _off_pair(units: str, position: int, floor: int) -> int:
    """Moves a position off the middle of a surrogate pair, back if that stays beyond ``floor``."""
    if not 0 < position < len(units):
        return position
    if not ("\ud800" <= units[position - 1] <= "\udbff" and "\udc00" <= units[position] <= "\udfff"):
        return position
    return position - 1 if position - 1 > floor else position + 1


def _within_tokens(units: str, start: int, end: int, count_tokens: CountTokens) -> Iterator[tuple[int, int]]:
    """QMD's second pass. (Its last resort, cutting the token list of one single character, cannot arise.)"""
    part = units[start:end]
    tokens = count_tokens(_as_text(part))
    if tokens <= MOST_TOKENS or len(part) <= 1:
        if part:
            yield start, end
        return
    spans = _cut_units(part, _smaller_sizes(len(part), tokens))
    if len(spans) <= 1:
        spans = _cut_units(part, _Sizes(max(1, len(part) // 2), 0, 0))
    if len(spans) <= 1:
        yield start, end
        return
    for low, high in spans:
        yield from _within_tokens(units, start + low, start + high, count_tokens)


def _smaller_sizes(length: int, tokens: int) -> _Sizes:
    units_per_token = length / tokens
    most = int(MOST_TOKENS * units_per_token * 0.95)
    if most < 1:
        most = length // 2
    most = max(1, min(length - 1, most))
    overlap = int(_FIRST_PASS.overlap * units_per_token / 2)
    return _Sizes(
        most,
        0 if most <= 1 else max(0, min(most - 1, overlap)),
        max(0, int(_FIRST_PASS.window * units_per_token / 2)),
    )
