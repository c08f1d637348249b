"""Where the collections lay when a file was taken in: a relative place in it goes with that folder, not with a name.

A permission for ``notes/open`` was meant for what lay there. A collection that is pointed at another folder takes no
permission along; only a full path, written by somebody, gives one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from jobs.domain.consent_log import Entry
from jobs.domain.corpus import CURATED, Collection
from jobs.domain.places import exact_parts

COLLECTIONS = "collections"
"""The key in an import's detail: name → real path, as JSON."""


def real_collections(collections: Sequence[Collection]) -> list[Collection]:
    """The collections where they really are: a permission goes by the folder, not by a link to it."""
    return [Collection(name=collection.name, path=os.path.realpath(collection.path)) for collection in collections]


def bound(before: Entry | None, collections: Sequence[Collection]) -> dict[str, str]:
    """Where each collection lies for a file that is taken in now; where it lay at its former import counts on."""
    return {**{one.name: one.path for one in real_collections(collections)}, **(_lay(before) or {})}


def stays(place: str, entry: Entry | None, collections: Sequence[Collection]) -> bool:
    """Whether a place as written still is the folder that it was at the import ``entry``.

    ``collections`` are the real ones. An import that does not say where they lay is held to nothing.
    """
    lay, (name, *_) = _lay(entry), exact_parts(place) or ("",)
    if place.startswith("/") or lay is None or name == CURATED:
        return True
    return any(one.name == name and one.path == lay.get(name) for one in collections)


def _lay(entry: Entry | None) -> dict[str, str] | None:
    noted = entry.detail.get(COLLECTIONS) if entry else None
    return msgspec.json.decode(noted, type=dict[str, str]) if noted else None
