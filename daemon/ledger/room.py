"""The job that waits for room on the volume, as a fact of the ledger."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import Struct

from daemon.ledger.books import Books
from jobs.domain.room import Room

FACT = "waits-for-room"


class WaitsForRoom(Struct, frozen=True, kw_only=True):
    """A queued job that does not fit on the volume. ``freeable``: bytes that could still be cleared away."""

    job: int
    stage: str
    since: datetime
    room: Room
    freeable: int

    @property
    def words(self) -> str:
        room = self.room
        return (
            f"job {self.job} ({self.stage}) waits for room: {sized(room.needed)} are still to be written and"
            f" {sized(room.reserve)} stay free, but {sized(room.free)} are free;"
            f" `iaipctl gc` would free {sized(self.freeable)}"
        )


def waits_for_room(books: Books) -> WaitsForRoom | None:
    """The job that was noted, if it still waits."""
    fact = books.knowledge.fact(FACT)
    found = msgspec.json.decode(fact, type=WaitsForRoom) if fact else None
    return found if found is not None and books.jobs.job(found.job).state == "queued" else None


def note_wait(books: Books, waits: WaitsForRoom) -> None:
    books.knowledge.set_fact(FACT, msgspec.json.encode(waits).decode())


def forget_wait(books: Books) -> None:
    books.knowledge.set_fact(FACT, "")


def sized(size: int) -> str:
    """Bytes in words: whole megabytes below a gigabyte."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
