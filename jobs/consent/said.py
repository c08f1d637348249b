"""The keys that front matter (under ``iaip:``), a folder's policy and a rule have in common.

    classification   public, personal, community or sacred       season        11-01..03-31, or a name in policy.toml
    consent          records that must allow the use as well      languages, attribution   carried to the manifest
    exclude          true: never used

Written as one word or a list. Whatever else is written there is not understood, and denies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobs.domain.consent import CLASSES, Said

_KEYS = {
    "classification": "classifications",
    "consent": "consents",
    "season": "seasons",
    "languages": "languages",
    "attribution": "attribution",
}
_FOLDED = ("classification", "season")


def said(values: Iterable[Any]) -> Said:
    """All that stands under ``iaip:``, given once or several times: mappings, bare words, lists of both."""
    found: dict[str, list[str]] = {field: [] for field in _KEYS.values()}
    exclude = unknown = False
    for value in values:
        for entry in value if isinstance(value, list) else [value]:
            marks = entry.items() if isinstance(entry, Mapping) else _bare(entry)
            for key, meaning in marks:
                name = str(key).strip().casefold()
                if name == "exclude":
                    exclude = exclude or not _is_no(meaning)
                elif name in _KEYS and (words := _words(meaning, fold=name in _FOLDED)) is not None:
                    found[_KEYS[name]] += words
                else:
                    unknown = unknown or name in _KEYS or not _is_no(meaning)
    return Said(**{field: tuple(words) for field, words in found.items()}, exclude=exclude, unknown=unknown)


def said_by(tree: Mapping[str, Any]) -> Said:
    """The same of one table of a TOML file."""
    return said([tree])


def _bare(entry: Any) -> list[tuple[str, Any]]:
    """``iaip: exclude`` and ``iaip: sacred``; nothing and ``false`` say nothing."""
    if entry is None or entry is False:
        return []
    word = entry.strip().casefold() if isinstance(entry, str) else ""
    return [("classification", word)] if word in CLASSES else [(word or "?", True)]


def _words(value: Any, *, fold: bool) -> list[str] | None:
    """None for what is neither text nor a list of texts."""
    if value is None:
        return []
    entries = value if isinstance(value, list) else [value]
    if not all(isinstance(entry, str) and entry.strip() for entry in entries):
        return None
    return [" ".join(entry.casefold().split() if fold else entry.split()) for entry in entries]


def _is_no(value: Any) -> bool:
    return value is False or (isinstance(value, str) and value.casefold() in ("no", "false", "off"))
