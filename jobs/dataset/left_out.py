"""Training rows that the owner does not want: each a small file of the owner's, ``left-out/<digest>.json``.

The file's name decides, and a file without content counts as well. It holds no word of a note, so that a note that
is withdrawn leaves nothing here: it says in which dataset the row was seen.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec import Struct

from jobs.domain.examples import Expansion, Pair, row_digest
from jobs.publish import remove_file, write_file

if TYPE_CHECKING:
    from jobs.dataset.assemble import Placed

DROPPED = "row that its owner left out"
_NAME = re.compile(r"[0-9a-f]{16}")
Row = TypeVar("Row", Pair, Expansion)


class LeftOut(Struct, frozen=True, kw_only=True):
    """Where and when a row was left out. ``dataset`` is empty for a file that does not say it."""

    schema: str = "iaip.left-out/1"
    dataset: str = ""
    at: datetime | None = None


def left_out(folder: Path) -> dict[str, LeftOut]:
    """Every row that is left out, by its digest (``examples.row_digest``)."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.json")) if _NAME.fullmatch(path.stem)}


def leave_out(folder: Path, digest: str, seen: LeftOut) -> None:
    """From the next dataset on. Again is no change."""
    path = folder / f"{digest}.json"
    if not path.exists():
        write_file(path, msgspec.json.encode(seen) + b"\n")


def take_back(folder: Path, digest: str) -> bool:
    """Proposes the row again from the next dataset on; False if it was not left out."""
    path = folder / f"{digest}.json"
    if not _NAME.fullmatch(digest) or not path.exists():
        return False
    remove_file(path)
    return True


def without(digests: Collection[str], placed: Sequence[Placed[Row]], dropped: Counter[str]) -> list[Placed[Row]]:
    """The rows that nobody left out. The others are counted in ``dropped``."""
    if not digests:
        return list(placed)
    kept = [one for one in placed if row_digest(one.row) not in digests]
    if lost := len(placed) - len(kept):
        dropped[DROPPED] += lost
    return kept


def _read(path: Path) -> LeftOut:
    try:
        return msgspec.json.decode(path.read_bytes(), type=LeftOut)
    except (OSError, msgspec.DecodeError):
        return LeftOut()
