"""What the command line asks of the daemon: one file a request, entered into the ledger exactly once.

The command line never writes the ledger. It publishes a file, whole or not at all; the daemon enters it
under the file's own name, in one transaction, and removes it. A daemon killed between the two meets the
file again and knows its name. Requests made while it is down wait here.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from time import time_ns
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct

from daemon.ledger.results import Requests
from jobs.publish import write_file

_NAME = re.compile(r"(\d{20}-[0-9a-f]{12})\.json")
_LARGEST = 1 << 16  # bytes; a request is a few words


class Asked(Struct, frozen=True, kw_only=True):
    action: str
    argument: dict[str, Any]


def put(spool: Path, action: str, argument: dict[str, Any]) -> str:
    """Publishes a request and returns its key. Keys sort by the moment of asking."""
    key = f"{time_ns():020d}-{uuid4().hex[:12]}"
    write_file(spool / f"{key}.json", msgspec.json.encode(Asked(action=action, argument=argument)))
    return key


def take(spool: Path, requests: Requests, now: datetime) -> int:
    """Enters every waiting request, oldest first; returns how many could not be read and were set aside.

    What was set aside keeps its content under the name ``<key>.unreadable``. One bad entry never keeps the
    others waiting.
    """
    unreadable = 0
    for path in waiting(spool):
        try:
            asked = _read(path)
        except (ValueError, OSError):
            unreadable += 1
            path.rename(path.with_suffix(".unreadable"))
        else:
            requests.take(path.stem, asked.action, asked.argument, now)
            path.unlink()
    return unreadable


def waiting(spool: Path) -> list[Path]:
    if not spool.is_dir():
        return []
    return sorted(entry for entry in spool.iterdir() if _NAME.fullmatch(entry.name))


def _read(path: Path) -> Asked:
    """Raises ValueError for anything that is not a request."""
    if path.stat().st_size > _LARGEST:
        raise ValueError("too large")
    return msgspec.json.decode(path.read_bytes(), type=Asked)
