"""Reads defaults.toml and the owner's config.toml into one ``Settings``; every error is collected."""

from __future__ import annotations

import difflib
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from config.settings import Settings

CRON, CRON_EXAMPLE = "schedule.window", '"0 22 * * 5" (every Friday at 22:00)'


class ConfigurationError(Exception):
    """config.toml has {count} mistakes. Mend the lines named and run `iaipctl status` again."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(f"{path}: " + "; ".join(problems) + ". Nothing was changed; mend the file and try again.")


def load_settings(path: Path) -> Settings:
    """The defaults, overlaid with the file at ``path`` if there is one.

    Raises ConfigurationError naming every unknown key and every wrong value at once.
    """
    defaults = tomllib.loads(resources.files("config").joinpath("defaults.toml").read_text("utf-8"))
    if not path.exists():
        return msgspec.convert(defaults, Settings)
    try:
        text = path.read_text("utf-8")
        chosen = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(path, [f"not TOML ({error})"]) from error
    lines = lines_of(text)
    problems = [
        f"line {lines[where]}: {problem}" if where in lines else problem
        for section, values in chosen.items()
        for where, problem in _section_problems(section, values, defaults)
    ]
    if problems:
        raise ConfigurationError(path, problems)
    return msgspec.convert(_overlay(defaults, chosen), Settings)


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
        trial = _overlay(defaults, {section: {key: value}})
        try:
            msgspec.convert(trial, Settings)
        except msgspec.ValidationError as error:
            problems.append((f"{section}.{key}", f"{section}.{key}: {str(error).split(' - at ')[0]}"))
            continue
        if f"{section}.{key}" == CRON and (found := _cron_problem(value)):
            problems.append((CRON, f"{CRON}: {found}"))
    return problems


def _cron_problem(value: str) -> str | None:
    from config.cron import cron_problem  # only where a window is set: `status` is to be quick

    found = cron_problem(value)
    return None if found is None else f"{found}: minute, hour, day, month, weekday, as in {CRON_EXAMPLE}"


def _suggestion(word: str, known: dict[str, Any]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _overlay(defaults: dict[str, Any], chosen: dict[str, Any]) -> dict[str, Any]:
    return {section: {**values, **chosen.get(section, {})} for section, values in defaults.items()}
