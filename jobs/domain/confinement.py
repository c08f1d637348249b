"""Whether a process has a way out: what a canary inside it met, what was heard outside, and what follows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec import Struct

Rung = Literal["sandbox-exec", "namespace", "landlock", "none"]
"""What holds the process. On Linux both a namespace and Landlock come together with a filter of system calls."""

FileWalls = Literal["sandbox-exec", "landlock", "none"]
"""What keeps the process from writing anywhere but in a job's own folders. ``none``: this system has no such means."""

NO_FILE_WALLS = "writing files, for which this system has no walls"

A_FILE = "file-parent"

WAYS_OUT = (
    "tcp-parent",
    "udp-parent",
    "unix-parent",
    "unix-datagram-parent",
    "tcp",
    "udp",
    "tcp6",
    "dns",
    A_FILE,
    "terminal",
)
"""What the canary tries. The parent's are listeners of the daemon: they would hear it, network or not.

A file outside the job's folders could be a program that another runs later, and so could a word typed into a terminal.
"""

_BARRED = frozenset({"EPERM", "EACCES", "ENETUNREACH", "EAFNOSUPPORT", "ENXIO"})
"""What a barred way answers; ENXIO: there is no terminal. Anything else, a time-out above all, may have let something
go."""


class Probe(Struct, frozen=True, kw_only=True):
    """``outcome`` is the name of the error (``EACCES``, ``EAI_AGAIN``), or ``open``."""

    way: str
    outcome: str


class Receipt(Struct, frozen=True, kw_only=True, tag="receipt"):
    """The canary's report. ``heard`` are the parent's listeners that heard anything, by the parent itself.

    A system that has no walls around files is no gap: the network is barred all the same. It is told.

    ``waived``: the job was started in spite of it, because the system has no sandbox and every note was public.
    """

    rung: Rung
    files: FileWalls = "none"
    probes: tuple[Probe, ...]
    heard: tuple[str, ...] = ()
    waived: bool = False

    def digest(self) -> str:
        """SHA-256 of all that it says, in hexadecimal."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()

    def gaps(self) -> tuple[str, ...]:
        """The ways out that are open or were not tried, by name; empty when there is none."""
        outcomes = {probe.way: probe.outcome for probe in self.probes}
        tried = [way for way in WAYS_OUT if not _barred(outcomes.get(way, "not tried"))]
        walls = ["no sandbox"] if self.rung == "none" else []
        found = (*walls, *dict.fromkeys([*tried, *self.heard]))
        return tuple(way for way in found if way != A_FILE or self.files != "none")

    def holds(self) -> bool:
        """Whether the job could be started."""
        return self.waived or not self.gaps()

    def in_words(self) -> str:
        tried = f"{len(self.probes)} ways out tried"
        end = f"receipt {self.digest()[:12]}"
        if self.waived:
            return f"no sandbox (none), allowed since every note is public: {tried}; {end}"
        if gaps := self.gaps():
            return f"not confined: {tried}; open: {', '.join(gaps)}; {end}"
        if self.files == "none":
            return f"no network ({self.rung}): {tried}, all barred but {NO_FILE_WALLS}; {end}"
        return f"no way out ({self.rung}): {tried}, all barred, nothing heard or written outside; {end}"


def _barred(outcome: str) -> bool:
    return outcome in _BARRED or outcome.startswith("EAI_")


def waived_if(receipt: Receipt, every_note_is_public: Callable[[], bool]) -> Receipt:
    """The receipt, waived where the system has no sandbox at all. A sandbox that has a gap is never made up for."""
    waived = receipt.rung == "none" and bool(receipt.gaps()) and every_note_is_public()
    return msgspec.structs.replace(receipt, waived=waived)
