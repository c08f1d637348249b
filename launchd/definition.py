"""A supervisor's definition file (plist or unit): written by us, and never taken from an owner who edited it."""

from __future__ import annotations

import hashlib
import shutil
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from launchd.agent import AgentFailed, Definition
from launchd.machine import WriteFile

MODE = 0o600


class Record(Struct, frozen=True, kw_only=True):
    """``agent.json``: what we wrote last, in which environment, and what the supervisor was last seen to take.

    ``stopped``: `iaipctl stop` took it down, so that it is no riddle why it is down.
    """

    sha256: str = ""
    environment: dict[str, str] = {}
    taken: str = ""
    stopped: bool = False


class DefinitionFile:
    """The file at ``path``, noted in ``record``. ``content``: what this version wants there, given an environment."""

    def __init__(
        self, path: Path, record: Path, write: WriteFile, content: Callable[[Mapping[str, str]], bytes]
    ) -> None:
        self.path = path
        self._record = record
        self._write = write
        self._content = content

    def standing(self) -> Definition:
        """Outdated is what an earlier version wrote; the environment of whoever asks now has no say in it."""
        if not self.path.exists():
            return "missing"
        present, record = self.path.read_bytes(), self.record()
        if _digest(present) != record.sha256:
            return "edited"
        return "ours" if present == self._content(record.environment) else "outdated"

    def place(self, environment: Mapping[str, str], *, force: bool) -> None:
        """Makes the file what this version wants, closed to others. Raises AgentFailed for an edited one.

        With ``force`` an edited one is first kept beside it.
        """
        if not force:
            self.require_ours(environment)
        content = self._content(environment)
        present = self.path.read_bytes() if self.path.exists() else None
        if self._is_another(content):
            shutil.copyfile(self.path, self.kept_as)
        if present != content or stat.S_IMODE(self.path.stat().st_mode) != MODE:
            self._write(self.path, content, mode=MODE)
        self._note(replace(self.record(), sha256=_digest(content), environment=dict(environment), stopped=False))

    def require_ours(self, environment: Mapping[str, str]) -> None:
        """Raises AgentFailed for one that was edited. Nothing is touched."""
        if self._is_another(self._content(environment)):
            raise AgentFailed(
                f"{self.path} was edited by hand, or belongs to another home; it was left as it is",
                remedy=f"`iaipctl install --force` replaces it and keeps yours as {self.kept_as}",
                kept=True,
            )

    def _is_another(self, wanted: bytes) -> bool:
        return self.path.exists() and self.path.read_bytes() != wanted and self.standing() == "edited"

    def renew(self) -> None:
        """Writes an outdated one anew, in the environment it was installed in."""
        if self.standing() == "outdated":
            self.place(self.record().environment, force=False)

    @property
    def kept_as(self) -> Path:
        """Where an edited one goes: not in the home, which may be removed or on a volume that is not there."""
        return self.path.with_name(self.path.name + ".yours")

    @property
    def is_taken(self) -> bool:
        """Whether the supervisor has taken the file as it is now. What it took before, it keeps until it is told."""
        return self.path.exists() and _digest(self.path.read_bytes()) == self.record().taken

    def note_taken(self) -> None:
        self._note(replace(self.record(), taken=_digest(self.path.read_bytes())))

    def remove(self) -> list[str]:
        """An edited one is kept beside it first, and the owner should know."""
        edited = self.standing() == "edited"
        if edited:
            shutil.copyfile(self.path, self.kept_as)
        self.path.unlink(missing_ok=True)
        self._record.unlink(missing_ok=True)
        return [f"Your edited definition is kept as {self.kept_as}."] if edited else []

    def names(self, program: str) -> bool:
        """Whether the file names ``program``, written as it would be there."""
        return self.path.exists() and program.encode() in self.path.read_bytes()

    def record(self) -> Record:
        try:
            return msgspec.json.decode(self._record.read_bytes(), type=Record)
        except (OSError, msgspec.DecodeError):
            return Record()

    def note_stopped(self, stopped: bool) -> None:
        if self.path.exists():
            self._note(replace(self.record(), stopped=stopped))

    def _note(self, record: Record) -> None:
        if record != self.record():
            self._write(self._record, msgspec.json.encode(record))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
