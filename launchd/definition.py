"""A supervisor's definition file (plist or unit): written by us, and never taken from an owner who edited it."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import msgspec
from msgspec import Struct

from launchd.agent import AgentFailed, Definition
from launchd.machine import WriteFile


class Record(Struct, frozen=True, kw_only=True):
    """``agent.json``. ``stopped``: `iaipctl stop` took it down, so that it is no riddle why it is down."""

    sha256: str = ""
    stopped: bool = False


class DefinitionFile:
    """The file at ``path``, with the digest of what we wrote there last in ``record``."""

    def __init__(self, path: Path, record: Path, write: WriteFile) -> None:
        self.path = path
        self._record = record
        self._write = write

    def standing(self) -> Definition:
        if not self.path.exists():
            return "missing"
        return "ours" if _digest(self.path.read_bytes()) == self.record().sha256 else "edited"

    def place(self, content: bytes, *, force: bool) -> bool:
        """Writes the file; false if it is there already, byte for byte. Raises AgentFailed for an edited one.

        With ``force`` an edited one is first kept in the home, beside the record.
        """
        present = self.path.read_bytes() if self.path.exists() else None
        if present is not None and present != content and self.standing() == "edited":
            if not force:
                raise AgentFailed(
                    f"{self.path} was edited by hand, or belongs to another home; it was left as it is",
                    remedy=f"`iaipctl install --force` replaces it and keeps yours as {self.kept_as}",
                    kept=True,
                )
            shutil.copyfile(self.path, self.kept_as)
        if present != content:
            self._write(self.path, content)
        self.note(Record(sha256=_digest(content)))
        return present != content

    @property
    def kept_as(self) -> Path:
        return self._record.with_name(self.path.name + ".yours")

    def remove(self) -> None:
        """An edited one is kept in the home first."""
        if self.standing() == "edited":
            shutil.copyfile(self.path, self.kept_as)
        self.path.unlink(missing_ok=True)
        self._record.unlink(missing_ok=True)

    def record(self) -> Record:
        try:
            return msgspec.json.decode(self._record.read_bytes(), type=Record)
        except (OSError, msgspec.DecodeError):
            return Record()

    def note(self, record: Record) -> None:
        if record != self.record():
            self._write(self._record, msgspec.json.encode(record))

    def note_stopped(self, stopped: bool) -> None:
        if self.path.exists():
            self.note(Record(sha256=self.record().sha256, stopped=stopped))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
