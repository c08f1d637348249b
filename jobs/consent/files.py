"""The files that people write about consent: ``policy.toml``, one record a consent, and ``.iaip.toml`` in a folder."""

from __future__ import annotations

import tomllib
from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from jobs.consent.said import said_by
from jobs.domain.consent import CLASSES, Holder, Said, Use
from jobs.domain.errors import BadInput
from jobs.domain.seasons import Season, season

POLICY = "policy.toml"
FOLDER_POLICY = ".iaip.toml"
Text = Annotated[str, Meta(min_length=1)]


class PolicyRule(Struct, frozen=True, kw_only=True):
    """``place`` as written: an absolute folder, ``collection`` or ``collection/folder``."""

    place: str
    said: Said


class Policy(Struct, frozen=True, kw_only=True):
    """``[[rule]] place, classification, …``, ``[seasons] name = "11-01..03-31"``, ``[[raise]] words, classification``.

    ``words`` raise the class of every text that has one of them; they never lower it.
    """

    rules: tuple[PolicyRule, ...] = ()
    seasons: dict[str, Season] = {}
    words: tuple[tuple[str, str], ...] = ()


class RecordGrant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Uses allowed for places, each as in ``PolicyRule``; from the first to the last day, both inside (UTC)."""

    uses: Annotated[tuple[Use, ...], Meta(min_length=1)]
    folders: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    begins: date | None = msgspec.field(name="from", default=None)
    until: date | None = None
    season: str = ""

    @property
    def places(self) -> tuple[str, ...]:
        return (*self.folders, *self.documents)


class Record(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody agreed to, in a file that they can read and sign off.

    ``language`` is that of the agreement, ``contact`` is where to turn to withdraw it. ``written``: when a command
    wrote it, so that an agreement made anew after a withdrawal is never in the withdrawn words.
    """

    schema: Literal["iaip.consent/1"]
    holder: Text
    kind: Holder
    contact: Text
    language: Text
    agreed: date
    written: datetime | None = None
    conditions: str = ""
    signed_by: str = ""
    source: str = ""
    grant: Annotated[tuple[RecordGrant, ...], Meta(min_length=1)]


def read_record(text: str, name: str) -> Record:
    """Raises BadInput, naming what is wrong, for anything that could be taken for more than was agreed."""
    try:
        record = msgspec.toml.decode(text.encode(), type=Record)
    except msgspec.DecodeError as error:
        raise _bad(name, str(error)) from error
    for grant in record.grant:
        if grant.begins and grant.until and grant.begins > grant.until:
            raise _bad(name, "a grant ends before it begins")
        if grant.season and season(grant.season) is None:
            raise _bad(name, 'a season is written "11-01..03-31"')
        if not (grant.folders or grant.documents):
            raise _bad(name, "a grant names neither folders nor documents")
    return record


def read_policy(text: str, name: str = POLICY) -> Policy:
    """Raises BadInput for anything that is not understood."""
    tree = _toml(text, name)
    if strange := set(tree) - {"rule", "seasons", "raise"}:
        raise _bad(name, f"unknown {', '.join(sorted(strange))}")
    seasons = {key.casefold(): season(str(value)) for key, value in _table(tree.get("seasons", {}), name).items()}
    if None in seasons.values():
        raise _bad(name, 'a season is written "11-01..03-31"')
    return Policy(
        rules=tuple(_rule(table, name) for table in _tables(tree.get("rule", []), name)),
        seasons={key: value for key, value in seasons.items() if value is not None},
        words=tuple(pair for table in _tables(tree.get("raise", []), name) for pair in _words(table, name)),
    )


def read_folder_policy(text: str) -> Said:
    """What a ``.iaip.toml`` says of its folder and all below. What is not understood is ``unknown``: it denies."""
    try:
        return said_by(_toml(text, FOLDER_POLICY))
    except BadInput:
        return Said(unknown=True)


def _rule(table: dict[str, Any], name: str) -> PolicyRule:
    place = table.get("place")
    if not isinstance(place, str) or not place.strip("/ "):
        raise _bad(name, "a rule has no place")
    said = said_by({key: value for key, value in table.items() if key != "place"})
    if said.unknown or set(said.classifications) - set(CLASSES):
        raise _bad(name, f"a rule has a key or value that is not known (classes: {', '.join(CLASSES)})")
    return PolicyRule(place=place, said=said)


def _words(table: dict[str, Any], name: str) -> list[tuple[str, str]]:
    words, raised = table.get("words"), table.get("classification")
    sound = isinstance(words, list) and all(isinstance(word, str) and word.strip() for word in words)
    if not sound or raised not in CLASSES[1:] or set(table) != {"words", "classification"}:
        raise _bad(name, "[[raise]] takes words and a classification: personal, community or sacred")
    assert isinstance(words, list)
    return [(word.strip(), str(raised)) for word in words]


def _toml(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _bad(name, f"not TOML ({error})") from error


def _tables(value: Any, name: str) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise _bad(name, "rules are written as [[rule]]")
    return [_table(entry, name) for entry in value]


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _bad(name, "a table of keys is expected")
    return value


def _bad(name: str, problem: str) -> BadInput:
    return BadInput(
        f"{name} cannot be used: {problem}. Nothing was allowed by it", remedy="mend it, then `iaipctl consent import`"
    )
