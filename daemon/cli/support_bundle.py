"""iaipctl support-bundle [FILE]: an archive to send with a question, without a word of your notes.

Every part is made by itself: on a bad day what can be told is told, and of the rest the kind of its failure.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import sys
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec

from config.load import ConfigurationError, load_settings
from config.version import VERSION
from daemon.cli.logs import Entry, Source
from daemon.cli.redaction import Redaction, log_line, settings_told
from daemon.cli.result import REFUSED, Result
from daemon.cli.root import Context

SCHEMA = "iaip.support-bundle/1"
LOG_LINES = 400
JOBS = 50
WITHHELD = "no note's text or name, no query, no judgement, no consent record, no log of a training, no model"
PARTS = {
    "versions": "versions of iaip, Python, SQLite and the system, and the machine's size",
    "doctor": "what `iaipctl doctor` finds",
    "status": "what `iaipctl status` shows",
    "config": "the settings: numbers, and of text only whether it is the default",
    "releases": "the releases, their states and gains",
    "ledger": "how many of everything the ledger holds, and the last jobs' states",
    "log": "the daemon's last lines: our own words and numbers",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", metavar="FILE", help="where to write it (default: iaip-support-….zip, here)")
    parser.epilog = "Nothing is sent: it is a file, for you to read first. Private paths are shortened."


def run(options: argparse.Namespace, context: Context) -> Result:
    target = Path(options.file or f"iaip-support-{datetime.now(UTC):%Y%m%d-%H%M%S}.zip").expanduser().absolute()
    if not options.json:
        told = "\n".join(f"  {name:9} {text}" for name, text in PARTS.items())
        print(f"It will hold:\n{told}\nIt holds {WITHHELD}.", file=sys.stderr)
    files = contents(context)
    try:
        _write(target, archive(files))
    except FileExistsError:
        return _refused(target, "is there already, and was left as it is", "name another file")
    except OSError as error:
        return _refused(target, f"cannot be written ({error.strerror})", "name a file in a folder of yours")
    sizes = {name: len(content) for name, content in files.items()}
    rows = "\n".join(f"  {name:14} {size:>7} bytes" for name, size in sizes.items())
    return Result(
        schema=SCHEMA,
        data={"file": str(target), "bytes": target.stat().st_size, "files": sizes},
        text=f"{target}\n{rows}",
        talk="Read it before you send it: you know best what is private.",
    )


def _refused(target: Path, why: str, remedy: str) -> Result:
    return Result(schema=SCHEMA, data={"file": None}, text="", talk=f"{target} {why}\n  next: {remedy}", code=REFUSED)


def contents(context: Context) -> dict[str, bytes]:
    """File name → redacted JSON."""
    from daemon.cli import releases  # here, as the other commands below: --help need not wait for them

    redaction = redaction_of(context)
    parts: dict[str, Callable[[], Any]] = {
        "versions": lambda: redaction(_versions()),
        "doctor": lambda: _doctor(context, redaction),
        "status": lambda: _status(context, redaction),
        "config": lambda: _config(context),
        "releases": lambda: redaction(releases.run(argparse.Namespace(action="list"), context).data),
        "ledger": lambda: _ledger(context),
        "log": lambda: redaction([log_line(entry) for entry in _logged(context)]),
    }
    return {f"{name}.json": _encoded(_told(part)) for name, part in parts.items()}


def _told(part: Callable[[], Any]) -> Any:
    try:
        return part()
    except Exception as error:  # noqa: BLE001 - whatever is broken is what the bundle is for; messages may name notes
        return {"failed": type(error).__name__}


def _encoded(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value)) + b"\n"


def archive(files: Mapping[str, bytes]) -> bytes:
    """A zip file of them."""
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archived:
        for name, content in files.items():
            archived.writestr(f"iaip-support/{name}", content)
    return made.getvalue()


def _write(target: Path, content: bytes) -> None:
    """Whole or not at all, for the owner alone. Raises FileExistsError rather than replace anything."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def redaction_of(context: Context) -> Redaction:
    """As far as the notes' places and names can be known."""
    places = {str(context.home.root): "<home>", str(Path.home()): "~", str(context.machine.user_home): "~"}
    collections, names = [], set()
    with suppress(Exception):
        found = context.corpus.collections()
        collections = [collection.name for collection in found]
        places |= {collection.path: f"<collection-{number}>" for number, collection in enumerate(found, start=1)}
    with suppress(Exception):
        for document in context.books.knowledge.documents():
            names |= {document.path, Path(document.path).name}
    return Redaction(places, collections, sorted(names))


def _versions() -> dict[str, Any]:
    import psutil

    return {
        "iaip": VERSION,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.release()}",
        "macos": platform.mac_ver()[0],
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "made_at": datetime.now(UTC).isoformat(),
    }


def _doctor(context: Context, redaction: Redaction) -> Any:
    from daemon.cli import doctor

    asked = argparse.Namespace(name=None, list_checks=False, from_agent=False, record_fixtures=None)
    findings = doctor.run(asked, context).data["findings"]
    told = ("told", "remedy")
    return [{key: redaction.with_collections(one) if key in told else one for key, one in f.items()} for f in findings]


def _status(context: Context, redaction: Redaction) -> Any:
    from daemon.cli import status

    data = status.run(argparse.Namespace(), context).data
    told = (
        "told",
        "remedy",
    )  # they may name a collection, and which those are is not known from a broken configuration
    watching = {key: value for key, value in data.pop("watching").items() if key not in told}
    problem = data["consent"].pop("problem")
    return {**redaction(data), "watching": redaction.with_collections(watching), "consent_problem": bool(problem)}


def _config(context: Context) -> Any:
    """Of settings with mistakes only how many: what was typed may be anything."""
    from daemon.cli import config

    try:
        defaults = load_settings(context.home.root / "no such file")
        return settings_told(config.by_key(context.settings), config.by_key(defaults))
    except ConfigurationError as error:
        return {"problems": len(error.problems)}


def _ledger(context: Context) -> Any:
    """Counts, and the last jobs without what was said of them."""
    database = context.books.database
    tables = [row["name"] for row in database.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows = {name: database.rows(f'SELECT count(*) AS n FROM "{name}"')[0]["n"] for name in tables}  # noqa: S608 - its own
    grouped = {
        "jobs": "SELECT state AS name, count(*) AS n FROM job GROUP BY state",
        "runs": "SELECT coalesce(outcome, state) AS name, count(*) AS n FROM run GROUP BY 1",
        "alerts": "SELECT kind AS name, count(*) AS n FROM alert GROUP BY kind",
    }
    kept = ("id", "run", "stage", "target", "state", "attempts", "reboots", "created_at", "started_at", "ended_at")
    return {
        "bytes": context.home.ledger.stat().st_size,
        "version": database.rows("PRAGMA user_version")[0][0],
        "rows": rows,
        **{what: {row["name"]: row["n"] for row in database.rows(query)} for what, query in grouped.items()},
        "last_jobs": [{key: getattr(job, key) for key in kept} for job in context.books.history.jobs(JOBS)],
    }


def _logged(context: Context) -> list[Entry]:
    return Source(context.home.logs / "iaipd.log", None).so_far(LOG_LINES)[-LOG_LINES:]
