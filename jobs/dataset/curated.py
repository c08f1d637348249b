"""The owner's hand-made examples: ``curated/embedding/*.jsonl`` and ``curated/expansion/*.jsonl``.

A line that cannot be used is named (``embedding/claims.jsonl:12: no "query"``), and the others are used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from jobs.dataset.links import DocumentNames
from jobs.dataset.lint import lint
from jobs.dataset.pairs import LONGEST_QUERY
from jobs.domain.corpus import CURATED, DocumentId
from jobs.domain.examples import ExpansionLine, Target

_LONGEST_NAME = 400
_FILE = re.compile(r"((?:embedding|expansion)/[^/]+\.jsonl)(?:#[0-9a-f]{12})?")
Row = TypeVar("Row")


class CuratedPair(Struct, frozen=True, kw_only=True):
    """``document`` is one of the knowledge base; or none, and ``text`` (with ``title``) is the passage itself."""

    query: str
    file: str
    document: DocumentId | None = None
    text: str = ""
    title: str = ""


class CuratedExpansion(Struct, frozen=True, kw_only=True):
    query: str
    file: str
    lines: tuple[ExpansionLine, ...]
    dropped: tuple[str, ...]
    """One reason a line that QMD would drop."""


class Curated(Struct, frozen=True, kw_only=True):
    pairs: tuple[CuratedPair, ...] = ()
    expansions: tuple[CuratedExpansion, ...] = ()
    problems: tuple[str, ...] = ()


class _PairLine(Struct, frozen=True):
    query: str
    document: str
    title: str = ""


class _ExpansionRow(Struct, frozen=True):
    query: str
    output: list[tuple[str, str]]


def curated_files(folder: Path, target: Target) -> list[Path]:
    return sorted((folder / target).glob("*.jsonl"))


def curated_contents(folder: Path, target: Target) -> Iterator[tuple[Path, bytes]]:
    """Every curated file that can be read, with its bytes; ``read_curated`` names the others."""
    for file in curated_files(folder, target):
        with suppress(OSError):
            yield file, file.read_bytes()


def curated_file_of(document: DocumentId) -> str | None:
    """The curated file (``embedding/mine.jsonl``) that a row's document names; None for a document of the notes."""
    match = _FILE.fullmatch(document.path) if document.collection == CURATED else None
    return match[1] if match else None


def curated_document(file: Path) -> DocumentId:
    """The name under which a curated file is classified and consented to, like any other document."""
    return DocumentId(collection=CURATED, path=f"{file.parent.name}/{file.name}")


def read_curated(folder: Path, target: Target, names: DocumentNames) -> Curated:
    """Everything usable for ``target``, in the order of files and lines; none if the folder is missing."""
    problems: list[str] = []
    files = curated_files(folder, target)
    if target == "embedding":
        pairs = [row for file in files for row in _rows(file, lambda line, name: _pair(line, name, names), problems)]
        return Curated(pairs=tuple(dict.fromkeys(pairs)), problems=tuple(problems))
    expansions = [row for file in files for row in _rows(file, _expansion, problems)]
    return Curated(expansions=tuple(dict.fromkeys(expansions)), problems=tuple(problems))


def _rows(file: Path, read: Callable[[bytes, str], Row], problems: list[str]) -> Iterator[Row]:
    name = f"{file.parent.name}/{file.name}"
    try:
        lines = file.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        problems.append(f"{name}:1: cannot be read ({error.strerror})")
        return
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield read(line, name)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            problems.append(f"{name}:{number}: {_words(error)}")


def _pair(line: bytes, name: str, names: DocumentNames) -> CuratedPair:
    row = msgspec.json.decode(line, type=_PairLine)
    query = _query(row.query)
    given = row.document.strip()
    if not given:
        raise ValueError("the document is empty")
    if len(given) <= _LONGEST_NAME and (document := names.named(given)):
        return CuratedPair(query=query, file=name, document=document)
    if "\n" not in given and " " not in given and given.lower().endswith((".md", ".markdown")):
        raise ValueError("no such document in the knowledge base (or more than one, or it may not be used)")
    return CuratedPair(query=query, file=name, text=row.document, title=row.title.strip())


def _expansion(line: bytes, name: str) -> CuratedExpansion:
    row = msgspec.json.decode(line, type=_ExpansionRow)
    query = _query(row.query)
    lines = []
    for kind, text in row.output:
        if kind not in ("lex", "vec", "hyde"):
            raise ValueError("a line of the output is neither lex, vec nor hyde")
        lines.append(msgspec.convert({"kind": kind, "text": text}, ExpansionLine))
    linted = lint(query, lines)
    if not linted.lines:
        raise ValueError(f"QMD would serve none of its lines ({', '.join(sorted(set(linted.dropped))) or 'no lines'})")
    return CuratedExpansion(query=query, file=name, lines=linted.lines, dropped=linted.dropped)


def _query(text: str) -> str:
    query = " ".join(text.split())
    if not query:
        raise ValueError("the query is empty")
    if len(query) > LONGEST_QUERY * 5:
        raise ValueError(f"the query is longer than {LONGEST_QUERY * 5} characters")
    return query


def _words(error: Exception) -> str:
    """Why, without any of the line's text."""
    if isinstance(error, msgspec.ValidationError):
        return str(error).replace("Object missing required field", "no field").replace("`", '"')
    if isinstance(error, msgspec.DecodeError | UnicodeDecodeError):
        return "not JSON in UTF-8"
    return str(error)
