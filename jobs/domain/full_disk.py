"""A volume, or the owner's share of one, that is full: by whatever name the system, SQLite or a tool tells of it."""

from __future__ import annotations

import errno
import re

REMEDY = "free some disk space, then `iaipctl queue retry` the job"
_NUMBERS = (errno.ENOSPC, errno.EDQUOT)
_SAID = re.compile("ENOSPC|No space left|disk is full|SQLITE_FULL|Dis[ck] quota exceeded")


def is_disk_full(error: BaseException) -> bool:
    """An OSError says so by its number; SQLite and safetensors, whose errors are none, by their words."""
    return error.errno in _NUMBERS if isinstance(error, OSError) else says_disk_full(str(error))


def says_disk_full(words: str) -> bool:
    """Whether a foreign program's last words say so."""
    return _SAID.search(words) is not None
