"""The consent folder: people's files, and the log that says which of them count.

consent/policy.toml, consent/<record>.toml     written by people, in force exactly as they were imported
consent/log.jsonl                              every import, use and withdrawal, chained (domain/consent_log.py)
consent/head                                   the digest of the newest entry: shows if the log lost its end
consent/displaced.json                         texts that left a restricted place (displaced.py)
consent/newest-day                             the latest day seen by a gate: shows a clock that was set back
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from jobs.consent.files import POLICY, read_policy, read_record
from jobs.consent.log import ConsentLog, broken
from jobs.consent.roots import COLLECTIONS, bound
from jobs.consent.withdrawals import Journal
from jobs.domain.consent_log import Action, Entry, imported, sealed
from jobs.domain.corpus import Collection, text_digest
from jobs.domain.errors import BadInput, Refused
from jobs.domain.withdrawal import denied_by
from jobs.locks import locked
from jobs.publish import make_directory, write_file

Change = Literal["new", "changed", "gone"]
LARGEST_FILE = 1_000_000
_FILE_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*\.toml")


class ConsentBook(ConsentLog):
    """``folder`` is the home's consent folder. Reading it creates nothing."""

    def files(self) -> dict[str, str]:
        """The texts of the policy and the records as they stand, by file name; one that cannot be read is empty."""
        return {path.name: _text(path) for path in sorted(self.folder.glob("*.toml"))}

    def changes(self) -> dict[str, Change]:
        """What differs from the log. A changed or missing record allows nothing until it is imported.

        A record that was withdrawn is no news in the same words: it cannot be imported again.
        """
        files, chain = self.files(), self.chain()
        known, withdrawn = imported(chain), denied_by(chain, Journal(self.folder).all()).records
        found: dict[str, Change] = {name: "gone" for name in known if name not in files}
        for name, text in files.items():
            if text_digest(text) in withdrawn:
                continue
            if name not in known:
                found[name] = "new"
            elif known[name].text != text:
                found[name] = "changed"
        return dict(sorted(found.items()))

    def refuse_withdrawn(self, name: str, *texts: str) -> None:
        """Raises Refused if one of the file's texts was withdrawn: it allows nothing, whatever is added to it."""
        gone = denied_by(self.chain(), Journal(self.folder).all()).records
        if any(text_digest(text) in gone for text in texts):
            raise Refused(
                f"consent/{name} stands in words that were withdrawn; nothing was changed",
                remedy=f"move consent/{name} away, then write the new agreement",
            )

    def import_changes(
        self, by: str, now: datetime, only: Sequence[str] = (), collections: Sequence[Collection] = ()
    ) -> list[Entry]:
        """Takes over every change, or those of the files named; ``collections`` are what their places are read by.

        Raises BadInput, with nothing taken over, if a file cannot be used.
        """
        with self.held() as pen:
            changes, files = self.changes(), self.files()
            changes = {name: change for name, change in changes.items() if not only or name in only}
            for name in changes:
                if name in files:
                    check(name, files[name])
            before = imported(self.chain())
            return [
                pen.add("remove", name, {"by": by}, "", now)
                if change == "gone"
                else pen.add("import", name, _signed(by, before.get(name), collections), files[name], now)
                for name, change in changes.items()
            ]

    def note_once(self, action: Action, subject: str, detail: dict[str, str], now: datetime) -> None:
        """Adds an entry unless it is there already. A broken log takes none; what reads it says so loudly."""
        with self.held() as pen:
            chain = self.chain()
            there = any(
                (entry.action, entry.subject, entry.detail) == (action, subject, detail) for entry in chain.entries
            )
            if not (there or chain.problem):
                pen.add(action, subject, detail, "", now)

    @contextmanager
    def held(self) -> Iterator[Pen]:
        """Nobody else can change consent meanwhile: what is decided inside is decided on the newest revision.

        Raises Refused when another holds it for longer than a change ever takes.
        """
        make_directory(self.folder)
        with locked(self.folder, of="consent"):
            yield Pen(self)


class Pen:
    """Writes to the log. Only ``ConsentBook.held`` hands one out."""

    def __init__(self, book: ConsentBook) -> None:
        self._book = book

    def write(self, name: str, text: str) -> None:
        """Puts a file into the folder; it counts once it is imported."""
        write_file(self._place(name), text.encode("utf-8"))

    def remove(self, name: str) -> None:
        """Takes a file out of the folder; from now on it allows nothing. One that is not there is fine."""
        self._place(name).unlink(missing_ok=True)

    def add(self, action: Action, subject: str, detail: dict[str, str], text: str, now: datetime) -> Entry:
        """Appends and syncs. Raises Refused if the log is broken: nothing may be hung on a broken chain."""
        chain = self._book.chain()
        if chain.problem:
            raise broken(chain)
        entry = sealed(chain, now, action, subject, detail, text)
        lines = b"".join(msgspec.json.encode(known) + b"\n" for known in (*chain.entries, entry))
        write_file(self._book.log, lines)  # whole and in one rename: a crash leaves the old log or the new one
        write_file(self._book.folder / "head", entry.digest.encode())
        return entry

    def _place(self, name: str) -> Path:
        """Raises BadInput for a name that leads out of the folder, whoever chose it."""
        if not _FILE_NAME.fullmatch(name):
            raise BadInput("that is no name of a file in consent/; nothing was written", remedy="name it plainly")
        return self._book.folder / name


def check(name: str, text: str) -> None:
    """Raises BadInput for a file that cannot be imported."""
    if name == POLICY:
        read_policy(text, name)
    else:
        read_record(text, name)


def _signed(by: str, before: Entry | None, collections: Sequence[Collection]) -> dict[str, str]:
    """An import's detail: who signs, and where the collections lie that relative places in the file go by."""
    where = bound(before, collections)
    return {"by": by} | ({COLLECTIONS: msgspec.json.encode(where, order="sorted").decode()} if where else {})


def _text(path: Path) -> str:
    try:
        if path.is_symlink() or path.stat().st_size > LARGEST_FILE:
            return ""
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
