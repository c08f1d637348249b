"""Looks whether any of a text is left: distinctive strings of it, searched in every file byte by byte.

The strings are held in memory only; a receipt tells how many there were and one digest over all of them.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

Value = TypeVar("Value")

MOST = 24
SHORTEST, LONGEST = 24, 60
"""Characters of a string: long enough to be one text's alone, short enough to lie inside one page of a database."""
_CHUNK = 1 << 20
_RUN = re.compile(r"[^\W\d_][\w ,;:.()-]{22,}[^\W_]")
"""Words on one line, without a character that JSON, YAML or SQL would write differently."""


class Search(Struct, frozen=True, kw_only=True):
    """``found``: the files, relative to the folder, and the strings each of them holds."""

    files: int
    bytes: int
    found: dict[str, frozenset[str]]


def distinctive(texts: Mapping[str, str], most: int = MOST) -> dict[str, tuple[str, ...]]:
    """By text: strings that are hardly anywhere else, evenly from all over it; a fair share of ``most`` each.

    Of more texts than ``most``, evenly some. A text without a run of words gives none.
    """
    chosen = evenly(sorted(texts), most)
    share = max(1, most // max(1, len(chosen)))
    return {name: found for name in chosen if (found := tuple(_strings(texts[name], min(share, 8))))}


def evenly(values: Sequence[Value], most: int) -> Sequence[Value]:
    """All of the values, or ``most`` of them from all over."""
    return values if len(values) <= most else [values[number * len(values) // most] for number in range(most)]


def digest_of(strings: Collection[str]) -> str:
    """Tells two sets of strings apart without telling the strings."""
    return hashlib.sha256("\n".join(sorted(strings)).encode("utf-8", "surrogatepass")).hexdigest()


def search(root: Path, strings: Collection[str]) -> Search:
    """Reads every file under ``root`` (a file with several names once, nothing outside) for the strings in UTF-8."""
    wanted = {text: text.encode("utf-8", "surrogatepass") for text in strings}
    found: dict[str, frozenset[str]] = {}
    files = size = 0
    for path in _files(root):
        files += 1
        here: set[str] = set()
        for part in _parts(path, overlap=max(map(len, wanted.values()), default=1)):
            size += len(part)
            here.update(text for text, needle in wanted.items() if text not in here and needle in part)
        if here:
            found[path.relative_to(root).as_posix()] = frozenset(here)
    return Search(files=files, bytes=size, found=found)


def _strings(text: str, most: int) -> Iterator[str]:
    runs = [run for match in _RUN.finditer(text) if (run := _cut(match[0]))]
    distinct = list(dict.fromkeys(runs))
    step = max(1, len(distinct) // most)
    yield from distinct[::step][:most]


def _cut(run: str) -> str:
    """Whole words from the run's beginning, LONGEST characters at most; nothing if fewer than four words are left."""
    kept = run if len(run) <= LONGEST else run[: LONGEST + 1].rsplit(" ", 1)[0][:LONGEST]
    kept = kept.strip(" ,;:.()-")
    return kept if len(kept) >= SHORTEST and kept.count(" ") >= 3 and "  " not in kept else ""


def _files(root: Path) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    for folder, _, names in os.walk(root):
        for path in (Path(folder) / name for name in sorted(names)):
            if path.is_symlink() or not path.is_file():
                continue
            status = path.stat()
            if (key := (status.st_dev, status.st_ino)) not in seen:
                seen.add(key)
                yield path


def _parts(path: Path, overlap: int) -> Iterable[bytes]:
    """The content in pieces, each beginning with the end of the one before. A file that just went holds nothing."""
    try:
        with path.open("rb") as file:
            tail = b""
            while piece := file.read(_CHUNK):
                yield tail + piece
                tail = piece[-overlap:]
    except FileNotFoundError:
        return


def blot_out(folder: Path, words: Collection[str]) -> int:
    """Overwrites the words in every file of a folder of logs, in place: whoever appends to a log goes on. Returns how
    often."""
    needles = [word.encode("utf-8", "surrogatepass") for word in words if len(word) >= SHORTEST // 3]
    times = 0
    for path in _files(folder) if folder.is_dir() else ():
        content = path.read_bytes()
        with path.open("r+b") as file:
            for needle in needles:
                at = content.find(needle)
                while at >= 0:
                    file.seek(at)
                    file.write(b"-" * len(needle))
                    times += 1
                    at = content.find(needle, at + len(needle))
            file.flush()
            os.fsync(file.fileno())
    return times
