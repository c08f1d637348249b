"""The commands that README.md shows: in its blocks, in its tables and in its sentences."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from daemon.cli.grammar import COMMANDS, Misused, named_in, parser_of

README = Path(__file__).resolve().parent.parent / "README.md"
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_NUMBER = {"queue": ("7",)}
"""What a row says once for all its verbs: they take a number."""
_UNKNOWN = ("invalid choice", "unrecognized arguments", "no such option")


def blocks(text: str, *languages: str) -> Iterator[str]:
    for language, content in _BLOCK.findall(text):
        if language in languages:
            yield content


def prose(text: str) -> str:
    return _BLOCK.sub("", text)


def typed_in_blocks(text: str) -> Iterator[str]:
    """Every command of a shell block, and every one that a transcript shows after its prompt."""
    for block in blocks(text, "sh"):
        for line in block.splitlines():
            yield from _apart(line)
    for block in blocks(text, "text"):
        for line in block.splitlines():
            if line.startswith("$ "):
                yield from _apart(line[2:])


def _apart(line: str) -> Iterator[str]:
    command = shlex.join(shlex.split(line, comments=True))
    yield from (part.strip() for part in command.replace("'&&'", "&&").split("&&") if part.strip())


def commands(text: str, program: str) -> list[str]:
    """Each command of this program once, in README's order: from blocks, sentences, and rows of tables put together."""
    spans = (span for span in _SPAN.findall(prose(text)) if span.split()[0] == program)
    shown = [*typed_in_blocks(text), *spans, *(_from_rows(text) if program == "iaipctl" else ())]
    found = list(dict.fromkeys(command for command in shown if command.split()[0] == program))
    return [command for command in found if not is_named_only(command, found)]


def is_named_only(command: str, others: Iterable[str]) -> bool:
    """Whether it only stands for one that is shown with its arguments: `iaipctl queue retry` for `… retry 7`."""
    return len(command.split()) > 2 and any(other.startswith(f"{command} ") for other in others)


def _from_rows(text: str) -> Iterator[str]:
    """``| `iaipctl why run 3` (or `job 7`, `v2`) |`` shows three commands."""
    for first, others in rows(text):
        yield first
        yield from (put_together(first, other) or f"{first} {other}" for other in others)


def rows(text: str) -> Iterator[tuple[str, list[str]]]:
    """Of every table row that begins with a command: that command, and the other words in its first cell."""
    for cells in _cells(text):
        spans = _SPAN.findall(cells[0])
        if spans and spans[0].startswith("iaipctl "):
            yield spans[0], spans[1:]


def mentioned(text: str) -> Iterator[tuple[str, str]]:
    """(command, word) for what a row's second cell says of its command: an option, a verb, another command."""
    for cells in _cells(text):
        first = _SPAN.findall(cells[0])
        if first and first[0].startswith("iaipctl ") and len(cells) > 1:
            yield from ((first[0], span) for span in _SPAN.findall(cells[1]) if not span.startswith("iaipctl"))


def _cells(text: str) -> Iterator[list[str]]:
    for line in prose(text).splitlines():
        if line.startswith("|"):
            yield line.strip("|").split(" | ")


def put_together(first: str, other: str) -> str | None:
    """The command that ``other`` makes of ``first``: in the place of its last words, behind it, or by itself."""
    words, new = shlex.split(first)[1:], shlex.split(other)
    ways = [new] if new[0] in COMMANDS else []
    ways += [[*words, *new]] if new[0].startswith("-") else [[words[0], *new, *_NUMBER.get(words[0], ())]]
    whole = (way for way in ways if problem(way, complete=True) is None)
    found = next(whole, next((way for way in ways if problem(way) is None), None))
    return None if found is None else "iaipctl " + shlex.join(found)


def whole(first: str, other: str) -> str | None:
    """The same, where nothing is missing and no word in capitals stands for another."""
    made = put_together(first, other)
    ready = made is not None and other == other.lower() and problem(shlex.split(made)[1:], complete=True) is None
    return made if ready else None


def problem(words: Iterable[str], *, complete: bool = False) -> str | None:
    """Why ``iaipctl`` does not know these words; none if it does. Unless they are to be ``complete``, arguments may be
    missing: the sentence names them."""
    words = list(words)
    named = named_in(words)
    try:
        parser_of((named,) if named else ()).parse_args(words)
    except Misused as mistake:
        return str(mistake) if complete or any(sign in str(mistake) for sign in _UNKNOWN) else None
    return None if named else f"no command in {words}"


def settings(text: str) -> Iterator[dict[str, Any]]:
    """Every block of settings."""
    yield from (tomllib.loads(block) for block in blocks(text, "toml"))


def named_settings(text: str) -> Iterator[tuple[str, str]]:
    """Sections and keys that sentences name, as in ``[disk] reserve``."""
    for span in _SPAN.findall(prose(text)):
        if found := re.fullmatch(r"\[(\w+)\](?: (\w+))?", span):
            yield found[1], found[2] or ""
