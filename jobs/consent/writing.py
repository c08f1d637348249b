"""Writes the files that people read and sign off, leaving every comment and line that was there."""

from __future__ import annotations

import re
import unicodedata
from datetime import date

import tomlkit
from msgspec import Struct
from tomlkit.items import Table

from jobs.consent.files import Record, RecordGrant, read_policy
from jobs.domain.consent import Classification
from jobs.domain.errors import Refused

_POLICY_HEAD = """\
# What your folders are: public, personal, community or sacred. The most restrictive word about a note wins:
# this file, a folder's .iaip.toml, and `iaip: {classification: ...}` in the note. Nothing lifts "sacred".
# A change counts after `iaipctl consent import`; a place may be a folder, a collection or collection/folder.
"""
_RECORD_HEAD = """\
# A consent. Read it, change what is wrong, and let the holder sign it off; `iaipctl consent import` takes changes in.
# What is not granted here is not allowed. Withdrawing it is always possible: see contact.
"""


class Agreement(Struct, frozen=True, kw_only=True):
    """A new grant and who gives it."""

    record: Record
    grant: RecordGrant


def with_rule(policy: str, place: str, classification: Classification) -> str:
    """The policy's text with one more rule, or with another word for a place it names already.

    Raises Refused for a place called sacred: no command lifts that.
    """
    read_policy(policy)
    document = tomlkit.parse(policy) if policy else tomlkit.parse(_POLICY_HEAD)
    for rule in document.get("rule", []):
        if rule.get("place") == place:
            if rule.get("classification") == "sacred" and classification != "sacred":
                raise Refused(
                    "this place is called sacred; no command lifts that",
                    remedy="whoever called it so can take the rule out of consent/policy.toml by hand",
                )
            rule["classification"] = classification
            return tomlkit.dumps(document)
    table = tomlkit.table()
    table.update({"place": place, "classification": classification})
    return _with_table(document, "rule", table)


def with_grant(text: str, agreement: Agreement) -> str:
    """A record's text with one more grant; a new record if ``text`` is empty."""
    document = tomlkit.parse(text) if text else tomlkit.parse(_RECORD_HEAD)
    if not text:
        record = agreement.record
        document["schema"] = record.schema
        for key in ("holder", "kind", "contact", "language", "agreed", "conditions", "signed_by", "source"):
            if value := getattr(record, key):
                document[key] = value
    return _with_table(document, "grant", _table(agreement.grant))


def file_name(holder: str) -> str:
    """A record's file name for a holder: plain letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", holder).encode("ascii", "ignore").decode().lower()
    return (re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "record") + ".toml"


def new_record(agreed: date, **said: str) -> Record:
    """A record without grants yet, for ``with_grant`` alone."""
    return Record(schema="iaip.consent/1", agreed=agreed, grant=(), **said)  # type: ignore[arg-type]


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
