"""Which Markdown the demo takes, and how it is copied."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

MANUALS = Path(__file__).resolve().parents[1] / ".tools" / "qmd" / "node_modules"
"""What came with QMD and the tools it is made of."""
SMALLEST_NOTE, LARGEST_NOTE, MOST_NOTES = 1500, 12_000, 40


def choose_manuals() -> list[Path]:
    """Of a note's size, without licences; the largest when there are too many."""
    found = [path for path in markdown(MANUALS) if SMALLEST_NOTE <= path.stat().st_size <= LARGEST_NOTE]
    found = [path for path in found if "LICENSE" not in path.name.upper()]
    return sorted(found, key=lambda path: -path.stat().st_size)[:MOST_NOTES]


def choose_notes(folder: Path) -> list[Path]:
    """All, or when there are too many those that say the most without being books."""

    def order(path: Path) -> tuple[bool, int]:
        size = path.stat().st_size
        return size > LARGEST_NOTE, size if size > LARGEST_NOTE else -size

    return sorted(markdown(folder), key=order)[:MOST_NOTES]


def markdown(folder: Path) -> list[Path]:
    """As QMD finds them: nothing hidden."""
    found = [path for path in sorted(folder.rglob("*.md")) if path.is_file()]
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def copy_notes(notes: Sequence[Path], source: Path, target: Path) -> None:
    """Keeps their folders."""
    for path in notes:
        place = target.joinpath(*(part for part in path.relative_to(source).parts if part != "node_modules"))
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
