"""Which deletions are believed. A folder that lost most of its documents at once may only be away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from msgspec import Struct

from jobs.domain.corpus import DocumentId
from jobs.domain.scan import Known, Root, Scan, folders_of, gone

DOUBT = timedelta(days=1)


class Folder(Struct, frozen=True, kw_only=True):
    """What is remembered between scans of a collection's folder, or of one at ``path`` below it that is a volume of its
    own.

    ``device`` and ``inode`` say which folder last held documents; ``doubted_since`` when most of them vanished.
    """

    device: int
    inode: int
    doubted_since: datetime | None = None
    path: str = ""


class Deletions(Struct, frozen=True, kw_only=True):
    """``doubted`` counts by collection the documents that were not found and are kept all the same. ``folders`` are by
    collection, those below it by ``collection/path``."""

    believed: tuple[DocumentId, ...]
    doubted: dict[str, int]
    folders: dict[str, Folder]


Place = tuple[str, str]
"""A collection and the folder in it at which a volume begins; of its own folder the path is empty."""


def judge_deletions(
    known: Mapping[DocumentId, Known], found: Scan, before: Mapping[str, Folder], now: datetime
) -> Deletions:
    """Believes at once what the owner's patterns leave out, what moved, and losses of up to half a collection.

    A collection that loses more in one scan is doubted for a day: a volume that is not mounted, a cloud folder that is
    being set up again. After that day the loss is believed if the folder is the one that held the documents or holds
    others; an empty stand-in for it is never believed. A volume mounted inside a collection is judged by itself in the
    same way, and while it is away no loss of it is believed. A collection that the owner took out of QMD is believed
    at once, all of them at once never: the configuration may be gone, not the notes.
    """
    roots: dict[Place, Root] = {(root.collection, root.path): root for root in found.roots}
    places = roots.keys() | {place for place in map(_place, before, before.values()) if (place[0], "") in roots}
    left_out = set(found.unlisted)
    vanished = [document for document in gone(known, found) if document not in left_out]
    moved = _moved(vanished, known, found)
    lost = Counter(_volume(document, places) for document in vanished if document not in moved)
    sizes = Counter(_volume(document, places) for document in known if document not in left_out)
    filled = {_volume(seen.id, places) for seen in found.documents}
    folders = dict(before)
    doubted: dict[Place, int] = {}
    for place in sorted(places):
        root, memory = roots.get(place), before.get(_key(place))
        if place[1] and not sizes[place] and place not in filled:
            folders.pop(_key(place), None)  # a volume without documents is none of ours
            continue
        plausible = _is_plausible(root, memory, place in filled)
        since = _doubted_since(lost[place], sizes[place], memory, plausible, now, away=root is None)
        folders[_key(place)] = _remembered(root, memory, since, place in filled)
        if since is not None:
            doubted[place] = lost[place]
    if not found.roots and not found.unreadable_folders:
        doubted = dict(lost)
    believed = [document for document in vanished if document in moved or _volume(document, places) not in doubted]
    told = Counter[str]()
    for (collection, _), count in doubted.items():
        told[collection] += count
    return Deletions(believed=(*believed, *found.unlisted), doubted=dict(told), folders=folders)


def _key(place: Place) -> str:
    return f"{place[0]}/{place[1]}" if place[1] else place[0]


def _place(key: str, folder: Folder) -> Place:
    return key.removesuffix(f"/{folder.path}"), folder.path


def _volume(document: DocumentId, places: Collection[Place]) -> Place:
    """The innermost of the places that the document lies in. Few collections hold another volume, and every document
    of every scan is asked for."""
    if not any(inner for _, inner in places):
        return document.collection, ""
    inside = [folder for folder in folders_of(document.path) if (document.collection, folder) in places]
    return document.collection, inside[-1] if inside else ""


def _moved(vanished: Iterable[DocumentId], known: Mapping[DocumentId, Known], found: Scan) -> Collection[DocumentId]:
    """Those whose bytes turned up under a name that was not known."""
    arrived = {seen.known.sha256 for seen in found.documents if seen.id not in known}
    return {document for document in vanished if known[document].sha256 in arrived}


def _doubted_since(
    lost: int, size: int, memory: Folder | None, plausible: bool, now: datetime, *, away: bool
) -> datetime | None:
    """None if the loss is believed. A doubt lasts until everything is back or a day has passed."""
    if not lost:
        return None
    since = memory.doubted_since if memory is not None else None
    if since is None:
        return now if away or lost * 2 > size else None
    since = min(since, now)  # the clock was set back: no doubt lasts longer for it
    return None if plausible and now - since >= DOUBT else since


def _is_plausible(root: Root | None, memory: Folder | None, filled: bool) -> bool:
    same = memory is not None and root is not None and (memory.device, memory.inode) == (root.device, root.inode)
    return same or filled


def _remembered(root: Root | None, memory: Folder | None, since: datetime | None, filled: bool) -> Folder:
    """While a loss is doubted, an empty folder doesn't take the place of the one that held the documents; nor does what
    stands where a volume is away."""
    held = root if root is not None and (filled or since is None) else memory
    path = root.path if root is not None else memory.path if memory is not None else ""
    return Folder(device=held.device if held else 0, inode=held.inode if held else 0, doubted_since=since, path=path)
