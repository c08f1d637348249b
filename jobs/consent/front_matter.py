"""The front matter of a note: its own word on consent, and its title, aliases and tags."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from unicodedata import normalize

import msgspec

from jobs.consent.said import said
from jobs.domain.consent import FrontMatter, NoteSaid
from jobs.domain.corpus import text_digest

_FRONT_MATTER = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)(?<=\n)(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_OPENING = re.compile(r"\ufeff?---[ \t]*\r?\n")
_LONGEST_FRONT_MATTER = 64_000
_KEY = re.compile(r"^[\w\"'][^\n]*:(?:\s|$)", re.MULTILINE)
_HEADING = re.compile(r"^ {0,3}#{1,6}\s", re.MULTILINE)
_UNCLOSED = re.compile(r"\s*(?><!--.*?-->\s*)*(?:---|\+\+\+)[ \t]*\n", re.DOTALL)
_STRAY_MARK = re.compile(r"^[^\w\n]*iaip[\"']?[ \t]*(?:[:=\]]|\.\w)", re.MULTILINE | re.IGNORECASE)
_NESTED_MARK = re.compile(r"(?:^[ \t]+|^[ \t]*-[ \t]+|[{,][ \t]*)[\"']?iaip[\"']?[ \t]*:", re.MULTILINE | re.IGNORECASE)
_STRAY_CLASS = re.compile(r"^[ \t\"']*classification[\"']?[ \t]*=", re.MULTILINE | re.IGNORECASE)
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))
_BETWEEN_WORDS = r"[\s*_~>#|`]+"


def read_front_matter(text: str) -> tuple[FrontMatter, int]:
    """What a note's front matter says, and where its body begins. Never raises: what cannot be read is ``broken``.

    So is a mark that stands where no reader of front matter looks: whoever wrote it meant it.
    """
    found, body = _at_the_top(text)
    if found.state != "broken" and _has_stray_mark(text[body : body + _LONGEST_FRONT_MATTER], whole=body == 0):
        return FrontMatter(state="broken"), body
    return found, body


def _at_the_top(text: str) -> tuple[FrontMatter, int]:
    opening = _OPENING.match(text)
    if opening is None:
        return FrontMatter(), 0
    match = _FRONT_MATTER.match(text[:_LONGEST_FRONT_MATTER])
    if match is None:
        # A rule opens the note, or front matter that never ends: only the latter speaks of keys at once.
        first_lines = text[opening.end() : opening.end() + 500].split("\n\n", maxsplit=1)[0]
        return FrontMatter(state="broken" if _KEY.search(first_lines) else "none"), 0
    if not match[1].strip():
        return FrontMatter(), match.end()
    return _parsed(match[1]), match.end()


def _has_stray_mark(text: str, *, whole: bool) -> bool:
    """Before the first heading; in all of it where front matter was opened and cannot be read (``whole``: the top)."""
    lines = "\n".join(text.removeprefix("\ufeff").splitlines()) + "\n"
    unclosed = _UNCLOSED.match(lines) if whole else None
    if unclosed and "+++" in unclosed[0] and _STRAY_CLASS.search(lines):
        return True
    heading = None if unclosed else _HEADING.search(lines)
    return _STRAY_MARK.search(lines[: heading.start()] if heading else lines) is not None


class RaisingWords:
    """The steward's words and phrases whose presence raises a text's class. They can never lower it.

    Found in any case and Unicode form, over the ends of lines, and through emphasis and soft hyphens.
    """

    def __init__(self, words: tuple[tuple[str, str], ...]) -> None:
        self._phrases = [(raised, _Phrase(_plain(phrase).split())) for phrase, raised in words]

    def found_in(self, text: str) -> set[str]:
        plain = _plain(text)
        return {raised for raised, phrase in self._phrases if phrase.is_in(plain)}


class _Phrase:
    """As whole words. An underscore ends a word: it is Markdown's emphasis."""

    def __init__(self, words: list[str]) -> None:
        self._longest = max(words, key=len, default="")
        self._pattern = re.compile(rf"(?<![^\W_]){_BETWEEN_WORDS.join(map(re.escape, words))}(?![^\W_])")

    def is_in(self, plain: str) -> bool:
        """The pattern is asked only where its longest word is: that takes a hundredth of the time."""
        return self._longest in plain and self._pattern.search(plain) is not None


def _plain(text: str) -> str:
    if text.isascii():
        return text.casefold()
    return normalize("NFC", normalize("NFC", text.translate(_INVISIBLE)).casefold())


def note_said(front_matter: FrontMatter, text: str, raising: RaisingWords) -> NoteSaid:
    """All that a note says of itself, with what the words in its text raise it to, and the digest of that text."""
    return NoteSaid(
        said=front_matter.said,
        broken=front_matter.state == "broken",
        raised_to=tuple(sorted(raising.found_in(text))),
        sha256=text_digest(text),
    )


def _parsed(source: str) -> FrontMatter:
    from ruamel.yaml import YAML  # here, because most commands that know of consent read no note
    from ruamel.yaml.error import YAMLError

    try:
        tree = YAML(typ="safe", pure=True).load(source)
        if isinstance(tree, dict):
            entries = [(key.strip().casefold(), tree[key]) for key in tree if isinstance(key, str)]
            return _understood(entries, nested=_has_nested_mark(source))
    except (YAMLError, ValueError, TypeError, RecursionError, OverflowError):
        return FrontMatter(state="broken")
    return FrontMatter(state="none" if _is_prose(source) and not _has_nested_mark(source) else "broken")


def _has_nested_mark(source: str) -> bool:
    """Below another key, or in a list: nobody reads it there. (Front matter may be one mapping in braces.)"""
    return not source.lstrip().startswith("{") and _NESTED_MARK.search(source) is not None


def _is_prose(source: str) -> bool:
    """Text between two rules, not front matter."""
    return _KEY.search(source) is None


def _understood(entries: list[tuple[str, Any]], *, nested: bool) -> FrontMatter:
    """``iaip.classification: sacred`` is one key with a dot in it: nobody reads it, so it is not understood."""
    tree = dict(entries)
    marks = said(value for key, value in entries if key == "iaip")
    stray = nested or any(key.startswith("iaip") and key != "iaip" for key in tree)
    return FrontMatter(
        state="read",
        said=msgspec.structs.replace(marks, unknown=marks.unknown or stray),
        title=_word(tree.get("title")),
        aliases=tuple(_words(tree.get("aliases", tree.get("alias")), ",")),
        tags=tuple(tag.lstrip("#") for tag in _words(tree.get("tags", tree.get("tag")), ", ")),
    )


def _words(value: Any, separators: str) -> Iterator[str]:
    entries = re.split(f"[{separators}]", value) if isinstance(value, str) else value
    for entry in entries if isinstance(entries, list) else [entries]:
        if word := _word(entry):
            yield word


def _word(value: Any) -> str:
    return " ".join(str(value).split()) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
