"""Reads defaults.toml and the owner's config.toml into one ``Settings``; every error is collected."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec

from config.settings import Settings

CRON, CRON_EXAMPLE = "schedule.window", '"0 22 * * 5" (every Friday at 22:00)'


class ConfigurationError(Exception):
    """config.toml has mistakes: ``problems`` names each, with its line where it is known."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(f"{path}: " + "; ".join(problems) + ". Nothing was changed; mend the file and try again.")


def load_settings(path: Path) -> Settings:
    """The defaults, overlaid with the file at ``path`` if there is one.

    Raises ConfigurationError naming every unknown key and every wrong value at once.
    """
    defaults = tomllib.loads(Path(__file__).with_name("defaults.toml").read_text("utf-8"))
    if not path.exists():
        return msgspec.convert(defaults, Settings)
    try:
        text = path.read_text("utf-8")
        chosen = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(path, [f"not TOML ({error})"]) from error
    lines = lines_of(text)
    problems = [found for section, values in chosen.items() for found in _section_problems(section, values, defaults)]
    settings = msgspec.convert(_overlay(defaults, _without(chosen, {where for where, _ in problems})), Settings)
    problems += _contradictions(settings, lines)
    if problems:
        told = [f"line {lines[where]}: {problem}" if where in lines else problem for where, problem in problems]
        raise ConfigurationError(path, told)
    return settings


def chosen_lines(path: Path) -> dict[str, int]:
    """``section.key`` → line of what the owner has set."""
    return lines_of(path.read_text("utf-8")) if path.exists() else {}


def lines_of(text: str) -> dict[str, int]:
    """Section, and ``section.key``, → the line that sets it, as people write config.toml: a key begins its line."""
    found: dict[str, int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[\s*([\w-]+)\s*\]", line):
            section = header[1]
            found.setdefault(section, number)
        elif key := re.match(r"\s*([\w.-]+)\s*=", line):
            found.setdefault(f"{section}.{key[1]}" if section else key[1], number)
    return found


def _section_problems(section: str, values: Any, defaults: dict[str, Any]) -> list[tuple[str, str]]:
    """Each with where it is: the section, or ``section.key``."""
    if section not in defaults:
        return [(section, f"unknown section [{section}]{_suggestion(section, defaults)}")]
    if not isinstance(values, dict):
        return [(section, f"{section} must be a section, [{section}]")]
    problems = []
    for key, value in values.items():
        if key not in defaults[section]:
            told = f"unknown key {section}.{key}{_suggestion(key, defaults[section])}"
            problems.append((f"{section}.{key}", told))
            continue
        if _not_finite(value):
            problems.append((f"{section}.{key}", f"{section}.{key}: must be a finite number"))
            continue
        trial = _overlay(defaults, {section: {key: value}})
        try:
            msgspec.convert(trial, Settings)
        except msgspec.ValidationError as error:
            problems.append((f"{section}.{key}", f"{section}.{key}: {str(error).split(' - at ')[0]}"))
            continue
        if f"{section}.{key}" == CRON and (found := _cron_problem(value)):
            problems.append((CRON, f"{CRON}: {found}"))
    return problems


def _without(chosen: dict[str, Any], wrong: set[str]) -> dict[str, Any]:
    """What is in order by itself."""
    return {
        section: {key: value for key, value in values.items() if f"{section}.{key}" not in wrong}
        for section, values in chosen.items()
        if section not in wrong
    }


def _contradictions(settings: Settings, lines: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """What is in order key by key and cannot work together, each at the last of its keys that the owner has set."""
    dataset = settings.dataset
    if (kept_back := dataset.development_share + dataset.test_share) >= 1:
        keys = ("dataset.development_share", "dataset.test_share")
        told = f"{' and '.join(keys)} are {kept_back:g} together: nothing is left to train on"
        yield max(keys, key=lambda key: lines.get(key, 0)), told
    if settings.gate.weak_below > settings.gate.strong_above:
        keys = ("gate.weak_below", "gate.strong_above")
        told = f"{keys[0]} is over {keys[1]}: a search would be weak and strong at once"
        yield max(keys, key=lambda key: lines.get(key, 0)), told


def _not_finite(value: Any) -> bool:
    """``inf`` and ``nan`` are floats in TOML, and no setting means anything with them."""
    return any(map(_not_finite, value)) if isinstance(value, list) else isinstance(value, float) and not isfinite(value)


def _cron_problem(value: str) -> str | None:
    from config.cron import cron_problem  # only where a window is set: `status` is to be quick

    found = cron_problem(value)
    return None if found is None else f"{found}: minute, hour, day, month, weekday, as in {CRON_EXAMPLE}"


def _suggestion(word: str, known: dict[str, Any]) -> str:
    import difflib  # only for a word that is not known

    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _overlay(defaults: dict[str, Any], chosen: dict[str, Any]) -> dict[str, Any]:
    return {section: {**values, **chosen.get(section, {})} for section, values in defaults.items()}
