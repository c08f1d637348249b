"""Judgements of withdrawn documents leave the owner's evaluation sets, with queries that have no other answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from jobs.dataset.links import DocumentNames
from jobs.domain.corpus import DocumentId
from jobs.domain.withdrawal import Withdrawal
from jobs.publish import write_file


def clear_evaluation(one: Withdrawal, folder: Path, known: Iterable[DocumentId]) -> int:
    """Returns how many lines went. ``known``: all documents, by which a short name is told apart.

    The queries go first: after a crash the judgements still tell which they are.
    """
    names, gone = DocumentNames({*known, *one.documents}), set(one.documents)

    def goes(name: str) -> bool:
        return names.named(name) in gone

    places = [entry for entry in sorted(folder.iterdir()) if entry.is_dir()] if folder.is_dir() else []
    return sum(_clear(place, goes) for place in places)


def _clear(place: Path, goes: Callable[[str], bool]) -> int:
    judged: dict[str, list[bool]] = {}
    for line in _lines(place / "qrels.tsv"):
        if len(cells := line.split("\t")) >= 3:
            judged.setdefault(cells[0].strip(), []).append(goes(cells[1]))
    orphans = {query for query, going in judged.items() if all(going)}
    removed = _keep(place / "queries.jsonl", lambda line: _query(line) not in orphans)
    return removed + _keep(place / "qrels.tsv", lambda line: len(line.split("\t")) < 3 or not goes(line.split("\t")[1]))


def _keep(path: Path, wanted: Callable[[str], bool]) -> int:
    lines = _lines(path)
    kept = [line for line in lines if wanted(line)]
    if len(kept) < len(lines):
        write_file(path, "".join(f"{line}\n" for line in kept).encode("utf-8", "surrogateescape"))
    return len(lines) - len(kept)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return []
    return text.removesuffix("\n").split("\n") if text else []


def _query(line: str) -> str:
    try:
        row = msgspec.json.decode(line.encode("utf-8", "surrogateescape"), type=dict[str, object])
    except msgspec.DecodeError:
        return ""
    return str(row.get("_id", row.get("id", "")))
