"""One measured row, the table of all, and the record in .bench/results.json."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from daemon.cli.result import table
from jobs.publish import write_file


class Row(Struct, frozen=True, kw_only=True):
    """``ratio`` is value / peer_value. ``goal`` is for the ratio if there is a peer, else for the value."""

    name: str
    value: float
    unit: str
    goal: float
    better: Literal["higher", "lower"] = "higher"
    peer: str = ""
    peer_value: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.value / self.peer_value if self.peer_value else None

    @property
    def met(self) -> bool:
        judged = self.value if self.ratio is None else self.ratio
        return judged >= self.goal if self.better == "higher" else judged <= self.goal


def show(rows: list[Row]) -> str:
    """A table for a person. A missed goal is printed as missed."""
    header = ["", "value", "unit", "peer", "peer's", "ratio", "goal", ""]
    return table(
        header,
        [
            [
                row.name,
                f"{row.value:.3f}",
                row.unit,
                row.peer,
                "" if row.peer_value is None else f"{row.peer_value:.3f}",
                "" if row.ratio is None else f"{row.ratio:.2f}",
                f"{'≥' if row.better == 'higher' else '≤'} {row.goal:g}",
                "met" if row.met else "MISSED",
            ]
            for row in rows
        ],
    )


def record(rows: list[Row], path: Path) -> None:
    """Adds to what earlier parts of the bench recorded; a row of the same name is replaced."""
    kept: dict[str, dict[str, object]] = {}
    if path.exists():
        kept = {row["name"]: row for row in msgspec.json.decode(path.read_bytes())}
    for row in rows:
        kept[row.name] = {**msgspec.to_builtins(row), "ratio": row.ratio, "met": row.met}
    write_file(path, msgspec.json.format(msgspec.json.encode(list(kept.values()))), mode=0o644)
