"""What a command returns, and the one place that prints it."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

import msgspec
from msgspec import Struct

DONE, FAILED, USAGE, NOT_RUNNING, REFUSED, NOT_FOUND, TRY_LATER = 0, 1, 2, 3, 5, 6, 75


class Result(Struct, frozen=True, kw_only=True):
    """``data`` is the JSON contract, ``text`` the same for a person. ``talk`` goes to stderr."""

    schema: str
    data: dict[str, Any]
    text: str
    talk: str = ""
    code: int = DONE


def show(result: Result, *, as_json: bool) -> int:
    """Prints data to stdout and talk to stderr; returns the exit code."""
    if as_json:
        document = {"schema": result.schema, **result.data}
        if result.code != DONE and result.talk:
            document["message"] = result.talk
        print(msgspec.json.format(msgspec.json.encode(document)).decode())
    elif result.text:
        print(result.text)
    if result.talk and not as_json:
        print(result.talk, file=sys.stderr)
    return result.code


def complain(message: str, remedy: str, code: int, *, as_json: bool) -> int:
    """Prints what went wrong and the next step: as a document on stdout, or to a person on stderr."""
    if as_json:
        document = {"schema": "iaip.error/1", "message": message, "next": remedy, "code": code}
        print(msgspec.json.format(msgspec.json.encode(document)).decode())
    else:
        print(f"iaipctl: {message}\n  next: {remedy}", file=sys.stderr)
    return code


def in_colour(stream: TextIO) -> bool:
    """Only on a terminal, and not where its owner wants none (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def table(header: list[str], rows: list[list[str]]) -> str:
    """Plain aligned columns; numbers to the right."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    numeric = [all(_is_number(row[column]) for row in rows) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in lines
    )


def _is_number(cell: str) -> bool:
    return cell in ("", "–") or cell.lstrip("+-−").replace(".", "", 1).rstrip("%").isdigit()
