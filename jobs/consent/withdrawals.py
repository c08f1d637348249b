"""The journal of withdrawals: one file each, written before anything is done, kept for good.

consent/withdrawals/<id>.json     what was asked and how far it came; it denies whatever becomes of the log
consent/withdrawn/<id>-<name>     records that ended, out of the way of those that count
consent/receipts/<id>.{json,txt}  what was done (jobs/withdrawal/receipts.py)
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from jobs.domain.errors import BadInput
from jobs.domain.withdrawal import Withdrawal
from jobs.publish import write_file


class Journal:
    """``folder`` is the home's consent folder. Reading it creates nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def _entries(self) -> Path:
        return self.folder / "withdrawals"

    @property
    def receipts(self) -> Path:
        return self.folder / "receipts"

    @property
    def records(self) -> Path:
        """Where records lie that ended."""
        return self.folder / "withdrawn"

    def all(self) -> list[Withdrawal]:
        """Oldest first. Raises BadInput for one that cannot be read: what it denies would be allowed again."""
        paths = sorted(self._entries.glob("w*.json")) if self._entries.is_dir() else []
        return sorted((self._read(path) for path in paths), key=lambda one: int(one.id[1:]))

    def open(self) -> list[Withdrawal]:
        """Those that have steps left."""
        return [one for one in self.all() if one.open]

    def stamp(self) -> tuple[int, int]:
        """Another whenever an entry was written: cheap to ask again and again."""
        try:
            return self._entries.stat().st_mtime_ns, sum(1 for _ in self._entries.iterdir())
        except FileNotFoundError:
            return 0, 0

    def next_id(self) -> str:
        known = self.all()
        return f"w{int(known[-1].id[1:]) + 1}" if known else "w1"

    def read(self, name: str) -> Withdrawal:
        """Raises BadInput as ``all``."""
        return self._read(self._entries / f"{name}.json")

    def write(self, one: Withdrawal) -> None:
        write_file(self._entries / f"{one.id}.json", msgspec.json.format(msgspec.json.encode(one)))

    def _read(self, path: Path) -> Withdrawal:
        try:
            return msgspec.json.decode(path.read_bytes(), type=Withdrawal)
        except (OSError, msgspec.DecodeError) as error:
            raise BadInput(
                f"consent/withdrawals/{path.name} cannot be read, so nobody can tell what was withdrawn",
                remedy="put it back from a copy, or withdraw the same again and then move it away; nothing was changed",
            ) from error
