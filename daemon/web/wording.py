"""What the page says, in English and in French: one catalogue, wording.toml, and how figures are written."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any, Literal

from daemon.readings import NOBODY, Power
from daemon.system import notices

LANGUAGES = ("en", "fr")
Unit = Literal["", "megabytes", "gigabytes", "seconds"]
SIZES = {"": 1.0, "megabytes": 2.0**20, "gigabytes": 1e9}
_NARROW = "\u202f"
"""French sets a narrow space before its high punctuation and inside its quotation marks."""


@cache
def catalogue() -> Mapping[str, Mapping[str, str]]:
    """Key → language → sentence."""
    text = resources.files("daemon.web").joinpath("wording.toml").read_text("utf-8")
    return {key: {"en": sentence["en"], "fr": _spaced(sentence["fr"])} for key, sentence in tomllib.loads(text).items()}


class Wording:
    """One language's sentences and figures. ``say`` raises KeyError for what the catalogue lacks."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._sentences = {key: sentence[language] for key, sentence in catalogue().items()}

    def say(self, key: str, **values: Any) -> str:
        """A gain is written with its sign, a target by its name in this language."""
        shown = {name: self._shown(name, value) for name, value in values.items()}
        return self._sentences[key].format(**shown)

    def told(self, key: str, fallback: str) -> str:
        """What the catalogue says; the ledger's own word where it knows none (a newer stage or outcome)."""
        return self._sentences.get(key, fallback)

    def retold(self, prefix: str, text: str) -> str | None:
        """A sentence that the ledger holds, in this language: its parts (between semicolons) are found among the
        catalogue's English sentences under ``prefix``, and what fills these in under its blank's name. None if one of
        them is not there."""
        if self.language == "en":
            return text
        parts = [self._retold(prefix, part) for part in text.split("; ")]
        known = [part for part in parts if part is not None]
        return None if len(known) < len(parts) else f"{_NARROW}; ".join(known)

    def _retold(self, prefix: str, part: str) -> str | None:
        for key, pattern in _patterns(prefix):
            if match := pattern.fullmatch(part):
                shown = {name: self._filled(name, value) for name, value in match.groupdict().items()}
                if None not in shown.values():
                    return self._sentences[key].format(**shown)
        return None

    def _filled(self, blank: str, value: str) -> str | None:
        """What a blank holds: a word or a sentence of the catalogue where it has any of that name, else as it is."""
        if (word := self._sentences.get(f"{blank}.{value}")) is not None:
            return word
        return self._retold(f"{blank}.", value) if _patterns(f"{blank}.") else self._figure(value)

    def _figure(self, text: str) -> str:
        return self._written(text).replace("-", "−") if re.fullmatch(r"[+-]?[\d.]+", text) else text

    def number(self, value: float | None, digits: int = 3) -> str:
        return "–" if value is None else self._written(f"{value:.{digits}f}")

    def signed(self, value: float, digits: int = 3) -> str:
        return self._written(f"{value:+.{digits}f}").replace("-", "−")

    def count(self, value: int) -> str:
        return f"{value:,}".replace(",", _NARROW if self.language == "fr" else ",")

    def brief(self, value: float) -> str:
        """As few digits as say it: for the ticks of a drawing."""
        return self._written(f"{value:g}").replace("-", "−")

    def moment(self, at: datetime) -> str:
        """Local time, in the order that both languages read."""
        return f"{at.astimezone():%Y-%m-%d %H:%M}"

    def day(self, seconds: float) -> str:
        """The local day of a moment in seconds."""
        return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d}"

    def span(self, seconds: float) -> str:
        """A time to wait or that something took, to the unit that matters."""
        if seconds < 90:
            return self.say("span.seconds", n=round(seconds))
        if seconds < 90 * 60:
            return self.say("span.minutes", n=round(seconds / 60))
        return self.say("span.hours", n=self.number(seconds / 3600, 1))

    def alert_title(self, kind: str, about: str) -> str | None:
        """None where the ledger's own title is in this language, or nobody has put this kind of alert into it."""
        return notices.retold(kind, about, "fr" if self.language == "fr" else "en")

    def alert_step(self, kind: str) -> str:
        """What to do about an alert of this kind; nothing where its own words say it."""
        return notices.next_step(kind, "fr" if self.language == "fr" else "en")

    def reading(self, value: object, unit: Unit = "") -> str:
        """A reading of the machine, in the unit given; its word where it is one, or that it is unknown."""
        if isinstance(value, Power):
            left = "" if value.percent is None else f" {value.percent} %"
            return self.told(f"value.{value.source}", value.source) + left
        if isinstance(value, str):
            return self.told(f"value.{value}", value)
        if not isinstance(value, int | float):
            return self.say("reading.unknown")
        if unit == "seconds":
            return self.say("reading.nobody") if value >= NOBODY else self.span(value)
        return self.number(value / SIZES[unit], 2 if unit == "" else 1)

    def _shown(self, name: str, value: Any) -> str:
        if name == "gain":
            return self.signed(value, 2)
        if name in ("target", "model"):
            return self.told(f"{name}.{value}", str(value))
        return self.count(value) if isinstance(value, int) else str(value)

    def _written(self, figure: str) -> str:
        return figure.replace(".", ",") if self.language == "fr" else figure


@cache
def _patterns(prefix: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The catalogue's English sentences under ``prefix``, to be found in a text with whatever fills them in: a figure
    where the blank is ``n`` or ``m``."""
    figure, blank = re.compile(r"\\{([nm])\\}"), re.compile(r"\\{([a-z]+)\\}")
    return tuple(
        (key, re.compile(blank.sub(r"(?P<\1>.+?)", figure.sub(r"(?P<\1>-?[\\d.]+|nan)", re.escape(sentence["en"])))))
        for key, sentence in catalogue().items()
        if key.startswith(prefix)
    )


def _spaced(text: str) -> str:
    return re.sub(r" ([:;!?»])", rf"{_NARROW}\1", text.replace("« ", f"«{_NARROW}"))
