"""Whether a folder of notes can be read by *this* process: macOS gives a launchd agent other rights than a terminal."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

FolderState = Literal["readable", "empty", "missing", "not permitted", "cannot tell"]
FIRST_BYTES = 16
MOST_ENTRIES = 200
DATALESS = 0x40000000
"""SF_DATALESS (sys/stat.h of macOS): the file's content is in iCloud; a read would fetch it."""


def probe_folder(path: str, scan: Callable[[str], Any] = os.scandir) -> FolderState:
    """Lists the folder and reads a few bytes of its first plain file. Empty and closed are told apart."""
    try:
        with scan(path) as listing:
            entries = [entry for _, entry in zip(range(MOST_ENTRIES), listing, strict=False)]
        if not entries:
            return "empty"
        plain = next((Path(e.path) for e in entries if e.is_file(follow_symlinks=False) and _is_here(e)), None)
        if plain is not None:
            with plain.open("rb") as file:
                file.read(FIRST_BYTES)
        return "readable"
    except OSError as error:
        return _told_by(error)


def _is_here(entry: os.DirEntry[str]) -> bool:
    found = entry.stat(follow_symlinks=False)
    flags: int = getattr(found, "st_flags", 0)  # only macOS and the BSDs have it
    return not flags & DATALESS


def _told_by(error: OSError) -> FolderState:
    """EPERM is macOS's privacy protection, EACCES the file's own permissions: both are closed doors."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return "missing"
    return "not permitted" if error.errno in (errno.EPERM, errno.EACCES) else "cannot tell"
