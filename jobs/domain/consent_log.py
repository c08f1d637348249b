"""The log of everything that ever changed about consent: append-only, every entry sealed with the one before it.

An entry's digest is the SHA-256 of its JSON with an empty ``digest``, keys in the order of ``Entry``; ``previous``
is the digest of the entry before (64 zeros at first). Anyone can check it with any JSON library.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct

START = "0" * 64
Action = Literal["import", "remove", "use", "refuse", "withdraw", "note"]


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``subject`` is a file of the consent folder, a dataset or a release; ``text`` a file's content as imported.

    What ``withdraw`` denies stands in its ``detail`` (domain/withdrawal.py).
    """

    number: int
    at: datetime
    action: Action
    subject: str
    detail: dict[str, str] = {}
    text: str = ""
    previous: str
    digest: str


class Chain(Struct, frozen=True, kw_only=True):
    """The entries that hold together. ``problem`` says where and why the rest does not; empty if all do."""

    entries: tuple[Entry, ...] = ()
    problem: str = ""

    @property
    def head(self) -> str:
        return self.entries[-1].digest if self.entries else START

    def newest(self) -> datetime | None:
        return max((entry.at for entry in self.entries), default=None)


def sealed(chain: Chain, at: datetime, action: Action, subject: str, detail: dict[str, str], text: str = "") -> Entry:
    """The next entry. Its time is never before the newest one's: a clock that was set back tells nothing."""
    newest = chain.newest()
    entry = Entry(
        number=len(chain.entries) + 1,
        at=max(at, newest) if newest else at,
        action=action,
        subject=subject,
        detail=detail,
        text=text,
        previous=chain.head,
        digest="",
    )
    return msgspec.structs.replace(entry, digest=_digest(entry))


def read_chain(lines: Sequence[bytes], head: str) -> Chain:
    """Checks every line, and that the chain still has the entry ``head`` (a digest; empty when none is known).

    Entries after ``head`` are fine: the note of the head is written last.
    """
    entries: list[Entry] = []
    previous = START
    for number, line in enumerate(lines, start=1):
        try:
            entry = msgspec.json.decode(line, type=Entry)
        except msgspec.DecodeError:
            return Chain(entries=tuple(entries), problem=f"line {number} is no entry")
        if (entry.number, entry.previous) != (number, previous) or entry.digest != _digest(entry):
            return Chain(entries=tuple(entries), problem=f"line {number} was changed, or lines before it are missing")
        entries.append(entry)
        previous = entry.digest
    if head and head != START and all(entry.digest != head for entry in entries):
        return Chain(entries=tuple(entries), problem=f"lines after line {len(entries)} are missing")
    return Chain(entries=tuple(entries))


def imported(chain: Chain) -> dict[str, Entry]:
    """The newest import of every file that was neither removed nor withdrawn since, by its name."""
    found: dict[str, Entry] = {}
    for entry in chain.entries:
        if entry.action == "import":
            found[entry.subject] = entry
        elif entry.action in ("remove", "withdraw"):
            found.pop(entry.subject, None)
    return found


def _digest(entry: Entry) -> str:
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(entry, digest=""))).hexdigest()
