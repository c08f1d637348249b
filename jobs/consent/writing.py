"""Writes the files that people read and sign off, leaving every comment and line that was there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from unicodedata import normalize

import tomlkit
from msgspec import Struct
from tomlkit.items import Table

from jobs.consent.files import POLICY, Record, RecordGrant, read_policy, read_record
from jobs.consent.said import said_by
from jobs.domain.consent import INDEX_MEANS, Classification
from jobs.domain.errors import BadInput, Refused
from jobs.domain.places import folded

_POLICY_HEAD = """\
# What your folders are: public, personal, community or sacred. The most restrictive word about a note wins:
# this file, a folder's .iaip.toml, and `iaip: {classification: ...}` in the note. Nothing lifts "sacred".
# A change counts after `iaipctl consent import`; a place may be a folder, a collection or collection/folder.
# Words and phrases that raise the class of any note they stand in, never lower it:
#   [[raise]]
#   words = ["sweat lodge", "burial ground"]
#   classification = "sacred"
"""
_RECORD_HEAD = f"""\
# A consent. Read it, change what is wrong, and let the holder sign it off; `iaipctl consent import` takes changes in.
# What is not granted here is not allowed. Withdrawing it is always possible: see contact.
# Of the uses, {INDEX_MEANS}.
"""
_LONGEST_NAME = 60
_ASCII_NAME = re.compile(r"[a-z0-9]+(?:[ -][a-z0-9]+)*")


class Agreement(Struct, frozen=True, kw_only=True):
    """A new grant and who gives it."""

    record: Record
    grant: RecordGrant


def with_rule(policy: str, place: str, classification: Classification) -> str:
    """The policy's text with one more rule, or with another word for a place it names already.

    Raises Refused for a place called sacred: no command lifts that; BadInput for a text that cannot be used.
    """
    read_policy(policy)
    document = _parsed(policy or _POLICY_HEAD)
    for rule in document.get("rule", []):
        if rule.get("place") == place:
            if classification != "sacred" and "sacred" in said_by(rule.unwrap()).classifications:
                raise Refused(
                    "this place is called sacred; no command lifts that",
                    remedy="whoever called it so can take the rule out of consent/policy.toml by hand",
                )
            rule["classification"] = classification
            return _usable(tomlkit.dumps(document))
    table = tomlkit.table()
    table.update({"place": place, "classification": classification})
    return _usable(_with_table(document, "rule", table))


def with_grant(text: str, agreement: Agreement) -> str:
    """A record's text with one more grant; a new record if ``text`` is empty."""
    document = _parsed(text or _RECORD_HEAD)
    if not text:
        record = agreement.record
        document["schema"] = record.schema
        for key in ("holder", "kind", "contact", "language", "agreed", "written", "conditions", "signed_by", "source"):
            if value := getattr(record, key):
                document[key] = value
    return _with_table(document, "grant", _table(agreement.grant))


def refuse_another(text: str, name: str, holder: str, kind: str, said: Mapping[str, str]) -> None:
    """Raises Refused unless the record ``text`` is this holder's, and says what ``said`` says where that is not empty.

    One more grant may not come under another's name, nor without the conditions that were given with it.
    """
    record = read_record(text, name)
    if (_key(record.holder), record.kind) != (_key(holder), kind):
        raise Refused(
            f"consent/{name} is the consent of {record.holder}, as a {record.kind}; nothing was changed",
            remedy="name this holder in a way that sets the two apart, such as with the place or the office",
        )
    if other := [key for key, value in said.items() if value and getattr(record, key) != value]:
        raise Refused(
            f"consent/{name} says something else as {', '.join(other)}, and that holds for all its grants",
            remedy=f"write it into consent/{name}, then `iaipctl consent import`; or leave it out here",
        )


def file_name(holder: str) -> str:
    """A record's file name for a holder: letters, digits and hyphens; with a digest where the name has more to it.

    So no two holders share a file, whatever they are written in.
    """
    key = _key(holder)
    slug = re.sub(r"[^a-z0-9]+", "-", normalize("NFKD", key).encode("ascii", "ignore").decode()).strip("-")
    if _ASCII_NAME.fullmatch(key) and len(key) <= _LONGEST_NAME and f"{slug}.toml" != POLICY:
        return f"{slug}.toml"
    return f"{slug[:_LONGEST_NAME].strip('-') or 'record'}-{sha256(key.encode()).hexdigest()[:8]}.toml"


def new_record(written: datetime, **said: str) -> Record:
    """A record without grants yet, for ``with_grant`` alone."""
    written = written.replace(microsecond=0)
    return Record(schema="iaip.consent/1", agreed=written.date(), written=written, grant=(), **said)  # type: ignore[arg-type]


def _key(holder: str) -> str:
    """The same for every spelling of one name."""
    return folded(" ".join(holder.split()))


def _parsed(text: str) -> tomlkit.TOMLDocument:
    """With an end to its last line: what is added begins on one of its own."""
    return tomlkit.parse(text if text.endswith("\n") else f"{text}\n")


def _usable(policy: str) -> str:
    try:
        read_policy(policy)
    except BadInput as error:
        raise Refused(
            "consent/policy.toml is written in a way that no rule can be added to; nothing was changed",
            remedy="write every rule as a [[rule]] table of its own, `iaipctl consent import`, then this again",
        ) from error
    return policy


def _with_table(document: tomlkit.TOMLDocument, name: str, table: Table) -> str:
    """One more ``[[name]]`` at the end of its kind, an empty line before it."""
    table.add(tomlkit.nl())
    if name not in document:
        document.add(tomlkit.nl())
        document[name] = tomlkit.aot()
    document[name].append(table)
    return tomlkit.dumps(document).rstrip("\n") + "\n"


def _table(grant: RecordGrant) -> Table:
    table = tomlkit.table()
    table["uses"] = list(grant.uses)
    for key in ("folders", "documents"):
        if names := getattr(grant, key):
            table[key] = list(names)
    for key, value in (("from", grant.begins), ("until", grant.until), ("season", grant.season)):
        if value:
            table[key] = value
    return table
