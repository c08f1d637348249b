"""iaipctl logs [-f] [--job N]: the daemon's log, or what one job's process wrote, for a person or as JSON."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from daemon.cli.result import NOT_FOUND, Result
from daemon.cli.root import Context
from daemon.cli.terminal import in_colour, visible

SCHEMA = "iaip.logs/1"
POLL_SECONDS = 0.3
_COLOURS = {"warning": "33", "error": "31", "critical": "31"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="stay, and show what is added")
    parser.add_argument("--job", type=int, metavar="N", help="what the process of job N wrote")
    parser.add_argument("-n", "--lines", type=int, default=50, help="so many of the last lines first (default 50)")
    parser.epilog = "With --json and --follow: one JSON document a line."


def run(options: argparse.Namespace, context: Context) -> Result:
    logs = context.home.logs
    path = logs / "iaipd.log" if options.job is None else logs / "jobs" / f"{options.job}.log"
    if not path.exists():
        next_step = "`iaipctl status`" if options.job is None else "`iaipctl queue`; old jobs' logs are cleared away"
        talk = f"there is no log here yet. Next: {next_step}"
        return Result(schema=SCHEMA, data={"lines": []}, text="", talk=talk, code=NOT_FOUND)
    last = last_lines(path, options.lines)
    if options.follow:
        _print_all(added_after(path, last), as_json=options.json)
    entries = [entry_of(line) for line in last[0]]
    return Result(
        schema=SCHEMA,
        data={"lines": entries},
        text="\n".join(in_words(entry, colour=in_colour(sys.stdout)) for entry in entries),
    )


def last_lines(path: Path, most: int) -> tuple[list[str], int]:
    """The last whole lines, and where the next one begins. The file is rotated, so it is small enough to read."""
    whole, newline, _ = path.read_bytes().rpartition(b"\n")
    lines = whole.decode("utf-8", "replace").split("\n") if newline else []
    return lines[-most:] if most > 0 else [], len(whole) + len(newline)


def added_after(path: Path, last: tuple[list[str], int]) -> Iterator[str]:
    """Those lines, then for ever what is added, also to the file that takes its place when it is rotated."""
    lines, position = last
    yield from lines
    inode = path.stat().st_ino
    while True:
        found = path.stat() if path.exists() else None
        if found is not None and (found.st_ino != inode or found.st_size < position):
            inode, position = found.st_ino, 0
        if found is not None and found.st_size > position:
            with path.open("rb") as file:
                file.seek(position)
                whole, newline, _ = file.read().rpartition(b"\n")
            position += len(whole) + len(newline)
            yield from whole.decode("utf-8", "replace").split("\n") if newline else ()
        time.sleep(POLL_SECONDS)


def _print_all(lines: Iterator[str], *, as_json: bool) -> None:
    for line in lines:
        entry = entry_of(line)
        shown = msgspec.json.encode(entry).decode() if as_json else in_words(entry, colour=in_colour(sys.stdout))
        print(shown, flush=True)


def entry_of(line: str) -> dict[str, Any]:
    """A line of the daemon is a JSON object; any other is text."""
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return {"event": line}


def in_words(entry: dict[str, Any], *, colour: bool) -> str:
    """Local time, what happened, then the rest as key=value; an exception's lines below it. No control characters."""
    rest = {key: value for key, value in entry.items() if key not in ("timestamp", "level", "event", "exception")}
    level = str(entry.get("level", ""))
    told = " ".join([str(entry.get("event", "")), *(f"{key}={value}" for key, value in rest.items())])
    line = f"{_moment(entry.get('timestamp'))}{'' if level in ('', 'info') else level + ': '}{visible(told)}"
    below = [f"    {visible(one)}" for one in str(entry.get("exception", "")).splitlines()]
    if colour and level in _COLOURS:
        line = f"\x1b[{_COLOURS[level]}m{line}\x1b[0m"
    return "\n".join([line, *below])


def _moment(timestamp: Any) -> str:
    try:
        return f"{datetime.fromisoformat(str(timestamp)).astimezone():%Y-%m-%d %H:%M:%S}  "
    except ValueError:
        return ""
