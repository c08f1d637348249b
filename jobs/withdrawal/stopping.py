"""What a withdrawal does at once: it is written down, affected releases stop, and the consent log seals it.

Under the consent log held, so that nothing goes live meanwhile on what was true before, and by the same one switch
as everywhere. Every part may be done again; the journal's entry comes first and denies from then on.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import Struct

from config.paths import Home
from jobs.consent.book import ConsentBook, Pen
from jobs.consent.withdrawals import Journal
from jobs.domain.lineage import UNREADABLE, Material, Touched, releases_touched
from jobs.domain.retention import ADOPTED
from jobs.domain.withdrawal import Withdrawal, entries_to_seal, goes_live
from jobs.lineage import read_lineage
from jobs.publish import make_directory, sync_directory, write_file
from jobs.release_withdrawal import withdraw
from jobs.releases import Releases
from jobs.withdrawal.asking import Asked


class Foreseen(Struct, frozen=True, kw_only=True):
    """What would stop, and what would be live then."""

    releases: tuple[str, ...]
    targets: tuple[str, ...]
    live: str | None
    goes_live: str | None


def foreseen(asked: Asked, releases: Releases) -> Foreseen:
    """Changes nothing."""
    touched = _touched(_material(asked), releases)
    names, live = tuple(one.release for one in touched), releases.live()
    before = [] if live is None else [*releases.earlier(live), ADOPTED]
    to = None if live is None else goes_live(live, names, before, releases.is_fit)
    return Foreseen(releases=names, targets=_targets(touched), live=live, goes_live=to)


def begin(asked: Asked, home: Home, releases: Releases, *, by: str, now: datetime) -> Withdrawal:
    """Withdraws at once, with the daemon up or down. What is left to do is told by the result's steps."""
    journal = Journal(home.consent)
    with ConsentBook(home.consent).held() as pen:
        one = Withdrawal(
            id=journal.next_id(),
            asked_at=now,
            by=by,
            what=asked.what,
            name=asked.name,
            documents=asked.documents,
            contents=asked.contents,
            denied=asked.what == "document",
            records=asked.records,
        )
        journal.write(one)
        return _stop(one, home, releases, pen, now)


def stop(one: Withdrawal, home: Home, releases: Releases, now: datetime) -> Withdrawal:
    """The same for one that a crash cut off, and for releases that were published since."""
    with ConsentBook(home.consent).held() as pen:
        return _stop(Journal(home.consent).read(one.id), home, releases, pen, now)


def start_over(one: Withdrawal, home: Home, releases: Releases, now: datetime) -> Withdrawal:
    """For one that was carried to its end and left something that derives from the material."""
    journal = Journal(home.consent)
    with ConsentBook(home.consent).held() as pen:
        one = msgspec.structs.replace(journal.read(one.id), done=(), found_again=(), lineage_left=())
        journal.write(one)
        return _stop(one, home, releases, pen, now)


def seal(one: Withdrawal, home: Home, now: datetime) -> Withdrawal:
    """Enters what the log lacks of it, unless the log is broken: the journal denies all the same.

    Returns it as the journal has it by now: whoever read it while it was being begun has half of it.
    """
    with ConsentBook(home.consent).held() as pen:
        one = Journal(home.consent).read(one.id)
        _seal(one, home, pen, now)
        return one


def material_of(one: Withdrawal) -> Material:
    return Material(documents=frozenset(one.documents), contents=frozenset(one.contents), consents=one.consents)


def _stop(one: Withdrawal, home: Home, releases: Releases, pen: Pen, now: datetime) -> Withdrawal:
    journal = Journal(home.consent)
    touched, known = _touched(material_of(one), releases), one.releases  # a half buried one tells no targets any more
    one = msgspec.structs.replace(
        one,
        live_before=one.live_before or releases.live(),
        releases=tuple(dict.fromkeys((*one.releases, *(found.release for found in touched)))),
        targets=tuple(sorted({*one.targets, *_targets([found for found in touched if found.release not in known])})),
    )
    journal.write(one)
    _, live = withdraw(releases, one.releases, f"withdrawal {one.id}")
    _seal(one, home, pen, now)
    if "stopped" not in one.done:  # later a record of that name may be a new agreement
        _set_records_aside(one, home)
    one = one.after("stopped", live=live)
    journal.write(one)
    return one


def _seal(one: Withdrawal, home: Home, pen: Pen, now: datetime) -> None:
    chain = ConsentBook(home.consent).chain()
    for subject, detail in () if chain.problem else entries_to_seal(one, chain):
        pen.add("withdraw", subject, detail, "", now)


def _set_records_aside(one: Withdrawal, home: Home) -> None:
    """The files of records that ended, so that nobody adds a grant to one and brings the others back."""
    journal = Journal(home.consent)
    for ended in {ended.record for ended in one.records}:
        file = home.consent / f"{ended}.toml"
        if file.is_file():
            make_directory(journal.records)
            write_file(journal.records / f"{one.id}-{file.name}", file.read_bytes())
            file.unlink()
            sync_directory(home.consent)


def _material(asked: Asked) -> Material:
    consents = frozenset(ended.record for ended in asked.records)
    return Material(documents=frozenset(asked.documents), contents=frozenset(asked.contents), consents=consents)


def _touched(material: Material, releases: Releases) -> list[Touched]:
    """Without the owner's own files, which were learnt from nothing. (Nor were tombstones, by now.)

    One that stopped before, for this or for another reason, holds the material until it is buried.
    """
    touched = releases_touched(read_lineage(releases, material), material)
    return [one for one in touched if one.release != ADOPTED]


def _targets(touched: list[Touched]) -> tuple[str, ...]:
    found = {target for one in touched for target in (*one.targets, *one.unaccounted)}
    return tuple(sorted(found - {UNREADABLE}))
