"""What a command returns, and the one place that prints it."""

from __future__ import annotations

import re
import sys
from itertools import chain
from typing import Any, TextIO

import msgspec
from msgspec import Struct

from daemon.cli.terminal import columns_of, folded, width_of

DONE, FAILED, USAGE, NOT_RUNNING, REFUSED, NOT_FOUND, TRY_LATER, INTERRUPTED = 0, 1, 2, 3, 5, 6, 75, 130


class Result(Struct, frozen=True, kw_only=True):
    """``data`` is the JSON contract, ``text`` the same for a person. ``talk`` goes to stderr.

    ``verbatim``: the text is made for programs, and no terminal folds it.
    """

    schema: str
    data: dict[str, Any]
    text: str
    talk: str = ""
    code: int = DONE
    verbatim: bool = False


def show(result: Result, *, as_json: bool) -> int:
    """Prints data to stdout and talk to stderr; returns the exit code."""
    if as_json:
        document = {"schema": result.schema, **result.data}
        if result.code != DONE and result.talk:
            document["message"] = result.talk
        print(msgspec.json.format(msgspec.json.encode(document)).decode())
    elif result.text:
        print(result.text if result.verbatim else fitted(result.text, sys.stdout))
    if result.talk and not as_json:
        print(fitted(result.talk, sys.stderr), file=sys.stderr)
    return result.code


def complain(message: str, remedy: str, code: int, *, as_json: bool) -> int:
    """Prints what went wrong and the next step: as a document on stdout, or to a person on stderr."""
    if as_json:
        document = {"schema": "iaip.error/1", "message": message, "next": remedy, "code": code}
        print(msgspec.json.format(msgspec.json.encode(document)).decode())
    else:
        print(fitted(f"iaipctl: {message}\n  next: {remedy}", sys.stderr), file=sys.stderr)
    return code


def fitted(text: str, stream: TextIO) -> str:
    """On a terminal no line is wider than it is; what is folded goes on under its first word."""
    width = width_of(stream)
    return text if width is None else "\n".join(chain.from_iterable(_fold(line, width) for line in text.split("\n")))


def _fold(line: str, width: int) -> list[str]:
    if "\x1b" in line or columns_of(line) <= width:  # a line with colour is left to the terminal
        return [line]
    label = re.match(r"\s*(?:[\w-]+ {2,})?", line)
    first = label[0] if label is not None and columns_of(label[0]) <= width // 2 else ""
    return folded(line[len(first) :], width, first=first)


def table(header: list[str], rows: list[list[str]]) -> str:
    """Plain aligned columns, numbers to the right; one cell a line where the terminal is too narrow for that."""
    lines = [header, *rows]
    widths = [max(columns_of(line[column]) for line in lines) for column in range(len(header))]
    terminal = width_of(sys.stdout)
    if terminal is not None and sum(widths) + 2 * (len(widths) - 1) > terminal:
        return _stacked(header, rows)
    numeric = [all(_is_number(row[column]) for row in rows) for column in range(len(header))]
    return "\n".join(
        "  ".join(_padded(*cell) for cell in zip(line, widths, numeric, strict=True)).rstrip() for line in lines
    )


def _padded(cell: str, width: int, right: bool) -> str:
    blanks = " " * (width - columns_of(cell))
    return blanks + cell if right else cell + blanks


def _stacked(header: list[str], rows: list[list[str]]) -> str:
    """Every row as lines of name and value, a blank line between two rows; what is empty is left out."""
    names = [name or "·" for name in header]
    widest = max(map(columns_of, names))
    blocks = (
        "\n".join(f"{_padded(name, widest, False)}  {cell}" for name, cell in zip(names, row, strict=True) if cell)
        for row in rows
    )
    return "\n\n".join(blocks)


def _is_number(cell: str) -> bool:
    return cell in ("", "–") or cell.lstrip("+-−").replace(".", "", 1).rstrip("%").isdigit()
