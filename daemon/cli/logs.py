"""iaipctl logs [-f] [--job N]: the daemon's log, or all about one job, for a person or as JSON."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from daemon.cli.result import NOT_FOUND, Result
from daemon.cli.root import Context
from daemon.cli.terminal import in_colour, visible

SCHEMA = "iaip.logs/1"
POLL_SECONDS = 0.3
Entry = dict[str, Any]
_MOMENT = 26  # characters of an ISO moment up to its microseconds
_COLOURS = {"warning": "33", "error": "31", "critical": "31"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="stay, and show what is added")
    parser.add_argument(
        "--job", type=int, metavar="N", help="what the daemon said of job N and what its process wrote, by time"
    )
    parser.add_argument("-n", "--lines", type=int, default=50, help="so many of the last lines first (default 50)")
    parser.epilog = "With --json and --follow: one JSON document a line."


def run(options: argparse.Namespace, context: Context) -> Result:
    sources = [Source(context.home.logs / "iaipd.log", options.job)]
    if options.job is not None:
        sources.append(Source(context.home.logs / "jobs" / f"{options.job}.log"))
    told = in_order([source.so_far() for source in sources])
    if not told and not (options.job is None and sources[0].path.exists()):
        next_step = "`iaipctl status`" if options.job is None else "`iaipctl queue`; old jobs' logs are cleared away"
        talk = f"there is no log here yet. Next: {next_step}"
        return Result(schema=SCHEMA, data={"lines": []}, text="", talk=talk, code=NOT_FOUND)
    last = told[-options.lines :] if options.lines > 0 else []
    if options.follow:
        _print_all(followed(last, sources), as_json=options.json)
    return Result(
        schema=SCHEMA,
        data={"lines": last},
        text="\n".join(in_words(entry, colour=in_colour(sys.stdout)) for entry in last),
    )


class Source:
    """A log that grows and is rotated: its lines as entries, of one job alone where ``job`` is given."""

    def __init__(self, path: Path, job: int | None = None) -> None:
        self.path = path
        self._job = job
        self._inode = 0
        self._position = 0

    def so_far(self) -> list[Entry]:
        """All there is; of one job, also what was rotated away."""
        older = sorted(self.path.parent.glob(f"{self.path.name}.[0-9]"), reverse=True) if self._job is not None else []
        lines = [line for path in older for line in _whole_lines(path.read_bytes())[0]]
        return self._wanted([*lines, *self._added()])

    def more(self) -> list[Entry]:
        """What came since, also in the file that took its place."""
        return self._wanted(self._added())

    def _added(self) -> list[str]:
        """Whole lines after those that were read. The file is rotated, so it is small enough to read."""
        if not self.path.exists():
            return []
        found = self.path.stat()
        if found.st_ino != self._inode or found.st_size < self._position:
            self._inode, self._position = found.st_ino, 0
        with self.path.open("rb") as file:
            file.seek(self._position)
            lines, length = _whole_lines(file.read())
        self._position += length
        return lines

    def _wanted(self, lines: list[str]) -> list[Entry]:
        if self._job is None:
            return [entry_of(line) for line in lines]
        entries = (entry_of(line) for line in lines if str(self._job) in line)
        return [entry for entry in entries if entry.get("job") == self._job]


def _whole_lines(content: bytes) -> tuple[list[str], int]:
    """The lines that have their end, and how many bytes they take."""
    whole, newline, _ = content.rpartition(b"\n")
    return whole.decode("utf-8", "replace").split("\n") if newline else [], len(whole) + len(newline)


def in_order(sources: Sequence[Sequence[Entry]]) -> list[Entry]:
    """By time; a line without one belongs to the line before it, in the same source."""
    stamped: list[tuple[str, Entry]] = []
    for entries in sources:
        moment = ""
        for entry in entries:
            moment = str(entry.get("timestamp") or moment)
            stamped.append((moment[:_MOMENT], entry))
    return [entry for _, entry in sorted(stamped, key=lambda pair: pair[0])]


def followed(last: Sequence[Entry], sources: Sequence[Source]) -> Iterator[Entry]:
    """Those entries, then for ever what is added."""
    yield from last
    while True:
        yield from in_order([source.more() for source in sources])
        time.sleep(POLL_SECONDS)


def _print_all(entries: Iterator[Entry], *, as_json: bool) -> None:
    for entry in entries:
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
