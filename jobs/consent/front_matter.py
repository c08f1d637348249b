"""The front matter of a note: its own word on consent, and its title, aliases and tags."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from jobs.consent.said import said
from jobs.domain.consent import FrontMatter, NoteSaid
from jobs.domain.corpus import text_digest

_FRONT_MATTER = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)(?<=\n)(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_OPENING = re.compile(r"\ufeff?---[ \t]*\r?\n")
_LONGEST_FRONT_MATTER = 64_000
_KEY = re.compile(r"^[\w\"'][^\n]*:(?:\s|$)", re.MULTILINE)


def read_front_matter(text: str) -> tuple[FrontMatter, int]:
    """What a note's front matter says, and where its body begins. Never raises: what cannot be read is ``broken``."""
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


class RaisingWords:
    """The steward's words and phrases whose presence raises a text's class. They can never lower it."""

    def __init__(self, words: tuple[tuple[str, str], ...]) -> None:
        self._patterns = {
            classification: re.compile(
                "|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word, raised in words if raised == classification),
                re.IGNORECASE,
            )
            for classification in {raised for _, raised in words}
        }

    def found_in(self, text: str) -> set[str]:
        return {classification for classification, pattern in self._patterns.items() if pattern.search(text)}


def note_said(front_matter: FrontMatter, text: str, raising: RaisingWords) -> NoteSaid:
    """All that a note says of itself, with what the words in its text raise it to, and the digest of that text."""
    return NoteSaid(
        said=front_matter.said,
        broken=front_matter.state == "broken",
        raised_to=tuple(sorted(raising.found_in(text))),
        sha256=text_digest(text),
    )


def _parsed(source: str) -> FrontMatter:
    try:
        tree = YAML(typ="safe", pure=True).load(source)
        if isinstance(tree, dict):
            return _understood([(key.strip().casefold(), tree[key]) for key in tree if isinstance(key, str)])
    except (YAMLError, ValueError, TypeError, RecursionError, OverflowError):
        return FrontMatter(state="broken")
    return FrontMatter(state="none" if _is_prose(source) else "broken")


def _is_prose(source: str) -> bool:
    """Text between two rules, not front matter."""
    return _KEY.search(source) is None


def _understood(entries: list[tuple[str, Any]]) -> FrontMatter:
    tree = dict(entries)
    return FrontMatter(
        state="read",
        said=said(value for key, value in entries if key == "iaip"),
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
