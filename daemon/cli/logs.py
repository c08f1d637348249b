"""iaipctl logs [-f] [--job N | --run N]: what the daemon and its jobs write, or all about one job or run."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
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
About = tuple[str, int] | None
"""The key that an entry must have with that number: a job's or a run's; none: every entry."""
_MOMENT = 26  # characters of an ISO moment up to its microseconds
_LATEST_JOBS = 20
"""So many jobs' logs are read beside the daemon's: who looks further back asks for a job or a run."""
_COLOURS = {"warning": "33", "error": "31", "critical": "31"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="stay, and show what is added")
    one = parser.add_mutually_exclusive_group()
    one.add_argument(
        "--job", type=int, metavar="N", help="what the daemon said of job N and what its process wrote, by time"
    )
    one.add_argument("--run", type=int, metavar="N", help="the same of all jobs of run N")
    parser.add_argument("-n", "--lines", type=int, default=50, help="so many of the last lines first (default 50)")
    parser.epilog = "With --json and --follow: one JSON document a line."


def run(options: argparse.Namespace, context: Context) -> Result:
    everything = options.job is None and options.run is None
    sources = Sources(lambda: _shown(options, context))
    told = in_order([source.so_far(options.lines) for source in sources.now()])
    if not told and not (everything and (context.home.logs / "iaipd.log").exists()):
        next_step = "`iaipctl status`" if everything else "`iaipctl queue`; old jobs' logs are cleared away"
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


def _shown(options: argparse.Namespace, context: Context) -> list[Source]:
    """Which logs are shown, and what of each; a run's jobs come one after the other. Raises KeyError for no run."""
    logs = context.home.logs
    if options.run is not None:
        jobs = [job.id for job in context.books.jobs.of_run(context.books.jobs.run(options.run).id)]
        return [Source(logs / "iaipd.log", ("run", options.run)), *(Source(_of_job(logs, job)) for job in jobs)]
    if options.job is not None:
        return [Source(logs / "iaipd.log", ("job", options.job)), Source(_of_job(logs, options.job))]
    return [Source(logs / "iaipd.log"), *(Source(_of_job(logs, job), of_job=job) for job in _latest(logs / "jobs"))]


def _latest(folder: Path) -> list[int]:
    """The jobs whose processes wrote last: one that runs is among them, however many began after it."""
    written = {int(path.stem): path.stat().st_mtime_ns for path in folder.glob("*.log") if path.stem.isdigit()}
    return sorted(written, key=lambda job: written[job])[-_LATEST_JOBS:]


def _of_job(logs: Path, job: int) -> Path:
    return logs / "jobs" / f"{job}.log"


class Sources:
    """The logs that are ``shown``, which may become more; each is read on from where it was."""

    def __init__(self, shown: Callable[[], Sequence[Source]]) -> None:
        self._shown = shown
        self._known: dict[Path, Source] = {}

    def now(self) -> list[Source]:
        for source in self._shown():
            self._known.setdefault(source.path, source)
        return list(self._known.values())


class Source:
    """A log that grows and is rotated: its lines as entries, those alone that are ``about`` it where it is given.

    ``of_job``: among other logs, the job that its lines are marked with.
    """

    def __init__(self, path: Path, about: About = None, *, of_job: int | None = None) -> None:
        self.path = path
        self._about = about
        self._mark = {} if of_job is None else {"job": of_job}
        self._inode = 0
        self._position = 0

    def so_far(self, most: int) -> list[Entry]:
        """``most`` entries or some more, the last ones, also of what was rotated away."""
        entries = self._wanted(self._added())
        for former in self._formers():
            if len(entries) >= most:
                break
            entries = self._wanted(_lines_from(former, 0)[0]) + entries
        return entries

    def more(self) -> list[Entry]:
        """What came since, also to the file before another took its place."""
        return self._wanted(self._added())

    def _added(self) -> list[str]:
        """Whole lines after those that were read. The file is rotated, so it is small enough to read."""
        if not self.path.exists():
            return []
        found, before = self.path.stat(), []
        if found.st_ino != self._inode or found.st_size < self._position:
            before = self._rotated_away()
            self._inode, self._position = found.st_ino, 0
        lines, length = _lines_from(self.path, self._position)
        self._position += length
        return before + lines

    def _rotated_away(self) -> list[str]:
        """What was added to the file that was read (now under another name, or a copy of it), and to those after it."""
        if not self._inode:
            return []
        formers, start, lines = self._formers(), self._position, []
        read = next((n for n, path in enumerate(formers) if path.stat().st_ino == self._inode), 0)
        for former in formers[read::-1]:
            lines += _lines_from(former, start)[0]
            start = 0
        return lines

    def _formers(self) -> list[Path]:
        """The newest first."""
        return sorted(self.path.parent.glob(f"{self.path.name}.[0-9]"))

    def _wanted(self, lines: list[str]) -> list[Entry]:
        if self._about is None:
            return [entry_of(line) | self._mark for line in lines]
        word, number = self._about
        entries = (entry_of(line) for line in lines if str(number) in line)
        return [entry for entry in entries if entry.get(word) == number]


def _lines_from(path: Path, start: int) -> tuple[list[str], int]:
    with path.open("rb") as file:
        file.seek(start)
        return _whole_lines(file.read())


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


def followed(last: Sequence[Entry], sources: Sources) -> Iterator[Entry]:
    """Those entries, then for ever what is added."""
    yield from last
    while True:
        yield from in_order([source.more() for source in sources.now()])
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
