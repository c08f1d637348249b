"""The owner's judged queries: ``evaluation/<set>/queries.jsonl`` and ``qrels.tsv``, in BEIR's layout.

Every line that cannot be used is named (``claims/qrels.tsv:7: …``), and the others are used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta, Struct

from jobs.dataset.links import DocumentNames
from jobs.dataset.words import language_of, query_key
from jobs.domain.examples import JudgedQuery, QuerySet

if TYPE_CHECKING:
    from jobs.dataset.build import Dataset


class EvaluationSets(Struct, frozen=True, kw_only=True):
    sets: tuple[QuerySet, ...]
    problems: tuple[str, ...]


class _QueryLine(Struct, frozen=True):
    text: Annotated[str, Meta(min_length=1)]
    beir_id: str | int | None = msgspec.field(name="_id", default=None)
    id: str | int | None = None
    must_pass: bool = False
    language: str | None = None


def read_evaluation_sets(folder: Path, dataset: Dataset) -> EvaluationSets:
    """Every folder in ``folder`` as a curated QuerySet of the same name, in alphabetical order; none if it is missing.

    A query counts as seen when one of its relevant documents is a source of the dataset's training rows.
    """
    names = DocumentNames(known.id for known in dataset.documents)
    seen = dataset.trained_on()
    problems: list[str] = []
    sets = []
    for place in _places(folder):
        relevant = _relevant(place, names, problems)
        queries = tuple(_queries(place, relevant, seen, problems))
        if queries:
            sets.append(QuerySet(name=place.name, kind="curated", queries=queries))
    return EvaluationSets(sets=tuple(sets), problems=tuple(problems))


def asked_in(folder: Path) -> frozenset[str]:
    """``query_key`` of every query that the owner's sets ask, also of those that no document answers yet."""
    keys: set[str] = set()
    for place in _places(folder):
        for _, line in _lines(place / "queries.jsonl", []):
            with suppress(msgspec.DecodeError):
                keys.add(query_key(msgspec.json.decode(line, type=_QueryLine).text))
    return frozenset(keys)


def _places(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []


def _relevant(place: Path, names: DocumentNames, problems: list[str]) -> dict[str, dict[str, int]]:
    """Query id → document name → grade, grades of 1 and more only."""
    found: dict[str, dict[str, int]] = {}
    for where, line in _lines(place / "qrels.tsv", problems):
        cells = [cell.strip() for cell in line.split("\t")]
        if where.endswith("qrels.tsv:1") and cells[0] in ("query-id", "query_id", "qid"):
            continue
        try:
            query, name, grade = cells[0], cells[1], int(cells[2])
        except (IndexError, ValueError):
            problems.append(f"{where}: not three columns (query-id, corpus-id, score) with a whole number at the end")
            continue
        document = names.named(name)
        if document is None:
            problems.append(f"{where}: no such document in the knowledge base, or more than one")
        elif grade >= 1:
            grades = found.setdefault(query, {})
            grades[str(document)] = max(grade, grades.get(str(document), 0))
    return found


def _queries(
    place: Path, relevant: dict[str, dict[str, int]], seen: frozenset[str], problems: list[str]
) -> Iterator[JudgedQuery]:
    used: set[str] = set()
    for where, line in _lines(place / "queries.jsonl", problems):
        try:
            row = msgspec.json.decode(line, type=_QueryLine)
        except msgspec.ValidationError as error:
            problems.append(f"{where}: {str(error).replace('Object missing required field', 'no field')}")
            continue
        except msgspec.DecodeError:
            problems.append(f"{where}: not JSON")
            continue
        given = row.beir_id if row.beir_id is not None else row.id
        name = "" if given is None else str(given)
        reason = _fault(name, row.text, used, relevant)
        if reason:
            problems.append(f"{where}: {reason}")
            continue
        used.add(name)
        yield JudgedQuery(
            id=name,
            text=" ".join(row.text.split()),
            relevant=relevant[name],
            language=row.language or language_of(row.text),
            must_pass=row.must_pass,
            seen=not seen.isdisjoint(relevant[name]),
        )


def _fault(name: str, text: str, used: set[str], relevant: dict[str, dict[str, int]]) -> str:
    if not name:
        return 'no "_id"'
    if not text.strip():
        return "the text is empty"
    if name in used:
        return "this _id was used before"
    return "" if name in relevant else "qrels.tsv names no relevant document for it"


def _lines(path: Path, problems: list[str]) -> Iterator[tuple[str, str]]:
    """(``set/file:line``, text) of every line with something on it."""
    shown = f"{path.parent.name}/{path.name}"
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        problems.append(f"{shown}:1: cannot be read ({error.strerror})")
        return
    except UnicodeDecodeError as error:
        problems.append(f"{shown}:{error.object[: error.start].count(bytes([10])) + 1}: not UTF-8")
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"{shown}:{number}", line.rstrip("\r")
