"""Every wording of one holder's agreements: as it stands, as it once counted, and as it was withdrawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from jobs.consent.book import ConsentBook
from jobs.consent.files import POLICY, Record, read_record
from jobs.consent.withdrawals import Journal
from jobs.domain.errors import BadInput
from jobs.domain.places import folded


class Wording(Struct, frozen=True, kw_only=True):
    """``name`` is the record's file in consent/. ``kept_as`` says which wording it is, as a path of its own."""

    name: str
    kept_as: Path
    text: str
    record: Record

    @property
    def stem(self) -> str:
        return self.name.removesuffix(".toml")


def wordings_of(holder: str, folder: Path) -> list[Wording]:
    """All of the holder's, or of the record of that name, whether or not they count. ``folder``: the consent folder."""
    wanted, found = _key(holder), []
    for name, kept_as, text in _everything(folder):
        try:
            record = read_record(text, name)
        except BadInput:
            continue
        if wanted in (_key(record.holder), _key(name.removesuffix(".toml"))):
            found.append(Wording(name=name, kept_as=kept_as, text=text, record=record))
    return found


def _everything(folder: Path) -> Iterator[tuple[str, Path, str]]:
    book = ConsentBook(folder)
    for name, text in book.files().items():
        if name != POLICY:
            yield name, Path(name), text
    for entry in book.chain().entries:
        if entry.action == "import" and entry.subject != POLICY:
            yield entry.subject, Path("imported", f"{entry.number}-{entry.subject}"), entry.text
    for path in _files(Journal(folder).records):
        yield path.name.partition("-")[2], Path("withdrawn", path.name), path.read_text("utf-8", errors="replace")


def _files(folder: Path) -> Iterable[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else ()


def _key(name: str) -> str:
    return folded(" ".join(name.split()))
