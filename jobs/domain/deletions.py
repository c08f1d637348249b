"""Which deletions are believed. A folder that lost most of its documents at once may only be away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from msgspec import Struct

from jobs.domain.corpus import DocumentId
from jobs.domain.scan import Known, Root, Scan, gone

DOUBT = timedelta(days=1)


class Folder(Struct, frozen=True, kw_only=True):
    """What is remembered of a collection's folder between scans.

    ``device`` and ``inode`` say which folder last held documents; ``doubted_since`` when most of them vanished.
    """

    device: int
    inode: int
    doubted_since: datetime | None = None


class Deletions(Struct, frozen=True, kw_only=True):
    """``doubted`` counts by collection the documents that were not found and are kept all the same."""

    believed: tuple[DocumentId, ...]
    doubted: dict[str, int]
    folders: dict[str, Folder]


def judge_deletions(
    known: Mapping[DocumentId, Known], found: Scan, before: Mapping[str, Folder], now: datetime
) -> Deletions:
    """Believes at once what the owner's patterns leave out, what moved, and losses of up to half a collection.

    A collection that loses more in one scan is doubted for a day: a volume that is not mounted, a cloud folder that is
    being set up again. After that day the loss is believed if the folder is the one that held the documents or holds
    others; an empty stand-in for it is never believed. A collection that the owner took out of QMD is believed at
    once, all of them at once never: the configuration may be gone, not the notes.
    """
    left_out = set(found.unlisted)
    vanished = [document for document in gone(known, found) if document not in left_out]
    moved = _moved(vanished, known, found)
    lost = Counter(document.collection for document in vanished if document not in moved)
    sizes = Counter(document.collection for document in known if document not in left_out)
    filled = {seen.id.collection for seen in found.documents}
    folders = dict(before)
    doubted = {}
    for root in found.roots:
        name, memory = root.collection, before.get(root.collection)
        since = _doubted_since(lost[name], sizes[name], memory, _is_plausible(root, memory, name in filled), now)
        folders[name] = _remembered(root, memory, since, name in filled)
        if since is not None:
            doubted[name] = lost[name]
    if not found.roots and not found.unreadable_folders:
        doubted = dict(lost)
    believed = [document for document in vanished if document in moved or document.collection not in doubted]
    return Deletions(believed=(*believed, *found.unlisted), doubted=doubted, folders=folders)


def _moved(vanished: Iterable[DocumentId], known: Mapping[DocumentId, Known], found: Scan) -> Collection[DocumentId]:
    """Those whose bytes turned up under a name that was not known."""
    arrived = {seen.known.sha256 for seen in found.documents if seen.id not in known}
    return {document for document in vanished if known[document].sha256 in arrived}


def _doubted_since(lost: int, size: int, memory: Folder | None, plausible: bool, now: datetime) -> datetime | None:
    """None if the loss is believed. A doubt lasts until everything is back or a day has passed."""
    if not lost:
        return None
    since = memory.doubted_since if memory is not None else None
    if since is None:
        return now if lost * 2 > size else None
    since = min(since, now)  # the clock was set back: no doubt lasts longer for it
    return None if plausible and now - since >= DOUBT else since


def _is_plausible(root: Root, memory: Folder | None, filled: bool) -> bool:
    same = memory is not None and (memory.device, memory.inode) == (root.device, root.inode)
    return same or filled


def _remembered(root: Root, memory: Folder | None, since: datetime | None, filled: bool) -> Folder:
    """While a loss is doubted, an empty folder doesn't take the place of the one that held the documents."""
    held = root if filled or since is None else memory
    return Folder(device=held.device if held else 0, inode=held.inode if held else 0, doubted_since=since)
