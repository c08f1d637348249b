"""What may leave the machine in a support bundle: our words and numbers; never a note, a query or a private path."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from daemon.checks.recordings import redacted

LEFT_OUT = "…"
_LOGGED = ("timestamp", "level", "event", "stage", "target", "state", "action", "since", "until")
"""Of a log's line, the words that are of ours; numbers stay whatever they are called, all else goes."""
_PLACES = "usr|opt|bin|sbin|lib|lib64|System|Library|Applications|nix|etc|proc|dev|run/user"
_BELOW = re.compile(r"(~|<collection-\d+>)/[^\n'\"`,;:()]*")
_ELSEWHERE = re.compile(rf"(?<![\w>~/])/(?!(?:{_PLACES})/)[^\n'\"`,;:()]+")
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')


class Redaction:
    """``places``: the private folders with what stands for each. ``names``: file names that must not be told."""

    def __init__(self, places: Mapping[str, str], collections: Sequence[str], names: Sequence[str]) -> None:
        self._places = sorted(places.items(), key=lambda place: -len(place[0]))
        self._collections = {name: f"collection-{number}" for number, name in enumerate(collections, start=1)}
        self._names = sorted(filter(None, names), key=len, reverse=True)
        self._private = [Path.home().name, socket.gethostname(), socket.gethostname().partition(".")[0]]

    def __call__(self, value: Any) -> Any:
        """The value with every text in it redacted, keys too."""
        match value:
            case str():
                return self._text(value)
            case dict():
                return {self(key): self(one) for key, one in value.items()}
            case list() | tuple():
                return [self(one) for one in value]
        return value

    def with_collections(self, value: Any) -> Any:
        """As a call, and collections go by number: for what speaks of them, where their names cannot be other words."""
        match value:
            case str():
                return self._text(self._numbered(value))
            case dict():
                return {self.with_collections(key): self.with_collections(one) for key, one in value.items()}
        return self(value)

    def _numbered(self, text: str) -> str:
        for name, number in self._collections.items():
            text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", number, text)
        return text

    def _text(self, text: str) -> str:
        for place, stand_in in self._places:
            text = text.replace(place, stand_in)
        for name in self._names:
            if name in text:
                text = text.replace(name, LEFT_OUT)
        text = _ELSEWHERE.sub(f"/{LEFT_OUT}", _BELOW.sub(rf"\1/{LEFT_OUT}", text))
        return redacted(text, self._private)


def log_line(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the daemon's log without what others wrote: an exception's message may name a note."""
    kept = {key: value for key, value in entry.items() if key in _LOGGED or isinstance(value, int | float)}
    if "exception" in entry:
        frames = _FRAME.findall(str(entry["exception"]))
        kept["exception"] = [f"{Path(file).name}:{line}" for file, line in frames]
    return kept


def settings_told(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """``section.key`` → value: numbers as they are, text only where it is the default's; it may name a folder."""
    return {
        key: value if _tells_nothing(value) or value == defaults[key] else LEFT_OUT for key, value in settings.items()
    }


def _tells_nothing(value: Any) -> bool:
    return isinstance(value, int | float) or value in ("", [])
