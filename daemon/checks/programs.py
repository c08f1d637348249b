"""Our interpreter as the agent starts it, and its SQLite."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import msgspec
from msgspec import Struct

from daemon.checks.finding import Finding, Subject, cannot_tell, fail, ok, warn
from daemon.checks.places import is_protected
from launchd.machine import NOT_THERE
from launchd.program import steady_name

SAFE_SQLITE = (3, 51, 3)
"""Before it, two processes that write to a WAL database may corrupt it when the log is reset (sqlite.org/wal.html)."""
OLDEST_QMD = (2, 8)
QUARANTINE = "com.apple.quarantine"
_SELF_DESCRIPTION = (
    "import json, platform, sqlite3;"
    "print(json.dumps([platform.python_version(), platform.machine(), sqlite3.sqlite_version]))"
)
_REINSTALL = "reinstall iaip with an interpreter of its own (uv, or python.org), then `iaipctl install`"


class Interpreter(Struct, frozen=True, array_like=True):
    python: str
    processor: str
    sqlite: str


def check_interpreter(subject: Subject) -> Finding:
    """The interpreter of the agent: there, of this processor, not quarantined, by a name that outlives upgrades."""
    path = _path(subject)
    if barred := _barred(subject, path):
        return barred
    found = _described(subject, path)
    if found is None:
        return fail(f"{path} does not start", _REINSTALL)
    if subject.machine.platform == "darwin" and found.processor != "arm64":
        return fail(f"Python {found.python} is built for {found.processor}: training needs arm64", _REINSTALL)
    if passing := next((step for step in links(path) if steady_name(PurePosixPath(step)) is not None), None):
        told = f"{path} leads to {passing}, which `brew upgrade` removes"
        return warn(told, "after each `brew upgrade`, run `iaipctl doctor`; or " + _REINSTALL)
    return ok(f"Python {found.python} for {found.processor} at {path}, really {path.resolve()}")


def _barred(subject: Subject, path: Path) -> Finding | None:
    """What keeps the agent from the interpreter before it can run. A terminal may be let in where launchd is not."""
    if not path.exists():
        return fail(f"the interpreter {path} is gone", "`iaipctl install` with the iaipctl of today")
    if subject.machine.platform == "darwin" and is_protected(path.parent, subject.machine.user_home):
        told = f"macOS keeps agents out of {path.parent}: what launchd starts cannot read the program there"
        return fail(told, "move iaip's folder elsewhere, then `make install` and `iaipctl install` in it")
    if quarantined := _quarantined(subject, path):
        remedy = f"if you trust it: `xattr -d {QUARANTINE} '{quarantined}'`, then `iaipctl restart`"
        return fail(f"macOS has quarantined {quarantined} and will not run it for the agent", remedy)
    return None


def check_sqlite(subject: Subject) -> Finding:
    found = _described(subject, _path(subject))
    if found is None:
        return cannot_tell("the interpreter does not start", "`iaipctl doctor interpreter`")
    if version(found.sqlite) < SAFE_SQLITE:
        least = ".".join(map(str, SAFE_SQLITE))
        told = f"SQLite {found.sqlite} can, very rarely, damage a database that two processes write to"
        return warn(told, f"use a Python that comes with SQLite {least} or newer")
    return ok(f"SQLite {found.sqlite}")


def version(text: str) -> tuple[int, ...]:
    """The leading numbers of a version; an empty tuple, smaller than any other, where there are none."""
    numbers = []
    for part in text.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def links(path: Path) -> Iterator[Path]:
    """The path and every link it leads through, at most 40 as in the kernel."""
    for _ in range(40):
        yield path
        if not path.is_symlink():
            return
        path = path.parent / path.readlink()


def _path(subject: Subject) -> Path:
    return subject.program.interpreter() or Path(sys.executable)


def _described(subject: Subject, path: Path) -> Interpreter | None:
    answer = subject.machine.run([str(path), "-c", _SELF_DESCRIPTION], 20.0)
    try:
        return msgspec.json.decode(answer.out, type=Interpreter)
    except msgspec.DecodeError:
        return None


def _quarantined(subject: Subject, path: Path) -> Path | None:
    """The quarantined file among the script and the interpreter, or none; xattr exists on macOS only."""
    if subject.machine.platform != "darwin":
        return None
    for file in (path.resolve(), subject.program.path):
        answer = subject.machine.call("xattr", "-p", QUARANTINE, str(file))
        if answer.code == 0:
            return file
        if answer.code == NOT_THERE:
            return None
    return None
