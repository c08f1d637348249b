"""The person's terminal: how wide it is, what may be shown on it, and single keys from it."""

from __future__ import annotations

import codecs
import os
import re
import shutil
import sys
import termios
import tty
import unicodedata
from collections.abc import Iterator
from typing import TextIO

ENTER = "\n"
CLOSED = ""
NARROWEST = 20
_SEVERAL = re.compile(r"\x1b(?:[\[O][0-9;]*[A-Za-z~])?")
"""A key that sends several characters: ECMA-48's control sequences."""


def in_colour(stream: TextIO) -> bool:
    """Only on a terminal, and not where its owner wants none (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width_of(stream: TextIO) -> int | None:
    """Columns of the terminal that the stream goes to; none for a file or a pipe, which are as wide as they need."""
    if not stream.isatty():
        return None
    return max(NARROWEST, shutil.get_terminal_size().columns)


def visible(text: str) -> str:
    """What others wrote must not steer the terminal: control and format characters are blanks."""
    return "".join(" " if unicodedata.category(character)[0] == "C" else character for character in text)


def columns_of(text: str) -> int:
    """How many columns a terminal gives the text: East Asian wide characters two, combining ones none."""
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def folded(text: str, width: int, *, first: str = "", rest: str | None = None) -> list[str]:
    """Lines of at most ``width`` columns (but never under NARROWEST), broken between words where that is possible.

    The first line begins with ``first``, the others with ``rest``: as many blanks as ``first`` is wide if not given.
    """
    below = " " * columns_of(first) if rest is None else rest
    room = max(1, max(width, NARROWEST) - columns_of(first))
    pieces = list(_pieces(text, room)) or [""]
    return [f"{first if number == 0 else below}{piece}".rstrip() for number, piece in enumerate(pieces)]


def _pieces(text: str, room: int) -> Iterator[str]:
    line = ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if columns_of(joined) <= room:
            line = joined
            continue
        if line:
            yield line
        *whole, line = _cut(word, room)
        yield from whole
    if line:
        yield line


def _cut(word: str, room: int) -> list[str]:
    """A word that is wider than the room, in pieces that are not."""
    pieces = [""]
    for character in word:
        if pieces[-1] and columns_of(pieces[-1] + character) > room:
            pieces.append("")
        pieces[-1] += character
    return pieces


class Keyboard:
    """Single keys from standard input, which must be a terminal. Ctrl-C stays Ctrl-C."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._typed = ""

    def key(self) -> str:
        """The next character typed, ENTER for a line's end, CLOSED when there is no more. Arrows and the like are
        passed over."""
        while not self._typed:
            read = _typed()
            if not read:
                return CLOSED
            self._typed = _SEVERAL.sub("", self._decoder.decode(read))
        first, self._typed = self._typed[0], self._typed[1:]
        return {"\r": ENTER, "\n": ENTER, "\x04": CLOSED}.get(first, first)

    def line(self, asked: str) -> str:
        """A line as typed; empty when there is no more."""
        try:
            return input(asked)
        except EOFError:
            return ""


def _typed() -> bytes:
    """What was typed, without waiting for a line's end; empty when there is no more."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor, termios.TCSADRAIN)
        return os.read(descriptor, 64)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def fresh_screen() -> str:
    """What empties the screen, where that is understood."""
    return "\n" if os.environ.get("TERM", "dumb") == "dumb" else "\x1b[2J\x1b[H"
