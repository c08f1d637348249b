"""What the desktop is told of an alert: from the catalogue alone, in the owner's language.

An alert's own words may carry an error's text; they stay in the outbox. The desktop (and a lock screen) gets a sentence
by the alert's kind and, where the catalogue asks for it, the target, release or job it is about.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from launchd.machine import Machine

Language = Literal["en", "fr"]
TOOL_SECONDS = 5.0
_PLAIN = re.compile(r"v?\d{1,9}")
"""A release or a job: what else an alert may be about is named by the catalogue, or not at all."""


@cache
def catalogue() -> Mapping[str, Mapping[str, str]]:
    """Kind, or kind and ``.body`` or ``.listed``, → language → sentence."""
    return tomllib.loads(Path(__file__).with_name("notices.toml").read_text("utf-8"))


def notice(kind: str, about: str, language: Language) -> tuple[str, str]:
    """Title and body for an alert of this kind; general ones for a kind that the catalogue lacks."""
    known = catalogue()
    title = known.get(kind, known["other"])[language]
    body = known.get(f"{kind}.body", known["other.body"])[language]
    named = _named(about, language)
    return title.format(about=named) if named else re.sub(r" \([^)]*\{about\}\)|\{about\}", "", title).strip(), body


def retold(kind: str, about: str, language: Language) -> str | None:
    """The title for whoever reads the outbox; none where the ledger's own, which is English, does."""
    return None if language == "en" or kind not in catalogue() else notice(kind, about, language)[0]


def next_step(kind: str, language: Language) -> str:
    """What to do about an alert of this kind, for whoever reads the outbox; nothing where its own words say it."""
    known = catalogue()
    sentence = known.get(f"{kind}.listed") or known.get(f"{kind}.body")
    return "" if sentence is None else sentence[language]


def _named(about: str, language: Language) -> str:
    if sentence := catalogue().get(f"target.{about}"):
        return sentence[language]
    return about if _PLAIN.fullmatch(about) else ""


def language_of(environment: Mapping[str, str], apple_languages: str = "") -> Language:
    """``apple_languages``: what ``defaults read -g AppleLanguages`` printed, the preferred one first.

    It goes first: launchd's agents have no locale of their own. Then the locale as POSIX orders it.
    """
    if found := re.search(r"[A-Za-z]{2,3}(?=[-_\"\s,)]|$)", apple_languages):
        return "fr" if found[0].lower() == "fr" else "en"
    locale = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return "fr" if re.match(r"fr([_.@]|$)", locale) else "en"


def owners_language(machine: Machine) -> Language:
    return language_of(machine.environment, _apple_languages(machine) if machine.platform == "darwin" else "")


def _apple_languages(machine: Machine) -> str:
    """Nothing when the tool does not answer."""
    told = machine.call("defaults", "read", "-g", "AppleLanguages", timeout=TOOL_SECONDS)
    return told.out if told.code == 0 else ""
