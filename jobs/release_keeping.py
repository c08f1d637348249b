"""Which releases stay for good, and how one goes. Markers on disk, so that it works without a ledger."""

from __future__ import annotations

from jobs.publish import remove_directory, sync_directory, write_file
from jobs.releases import CAME_AFTER, Releases

PINNED = "PINNED"


def pinned(releases: Releases) -> frozenset[str]:
    return frozenset(name for name in releases.names() if (releases.directory(name) / PINNED).exists())


def pin(releases: Releases, name: str) -> None:
    """A pinned release is never removed. Raises BadInput for a name that does not exist."""
    releases.release(name)
    with releases.one_at_a_time():
        write_file(releases.directory(name) / PINNED, b"")


def unpin(releases: Releases, name: str) -> None:
    """Raises BadInput for a name that does not exist. A second call is a no-op."""
    releases.release(name)
    (releases.directory(name) / PINNED).unlink(missing_ok=True)
    sync_directory(releases.directory(name))


def remove(releases: Releases, name: str) -> bool:
    """Deletes a release; the others' way back then leads past it.

    One that is live, pinned, or the one to go back to by now, whatever was decided before, stays: False.
    """
    with releases.one_at_a_time():
        live = releases.live()
        if name in pinned(releases) or name == live or (live is not None and name == releases.before(live)):
            return False
        _lead_past(releases, name)
        remove_directory(releases.directory(name))
    return True


def _lead_past(releases: Releases, name: str) -> None:
    """Notes that say "came after ``name``" say what that one came after."""
    before = releases.directory(name) / CAME_AFTER
    for other in releases.names():
        note = releases.directory(other) / CAME_AFTER
        if not note.exists() or note.read_text("utf-8").strip() != name:
            continue
        if before.exists():
            write_file(note, before.read_bytes())
        else:
            note.unlink()
