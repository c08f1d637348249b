"""iaipctl doctor [NAME]: everything the product stands on, each with the next step. Exit code 1 if anything failed."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from daemon.cli.result import DONE, FAILED, NOT_FOUND, Result
from daemon.cli.root import Context
from daemon.socket import Question, ask
from daemon.system.folders import FolderState, probe_folder
from jobs.domain.corpus import Collection

if TYPE_CHECKING:
    from daemon.checks.finding import Finding, Subject
    from daemon.installed import Installed
    from jobs.domain.confinement import FileWalls

AGENT_SECONDS = 20.0
MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL", "cannot tell": "?   "}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="one check alone (default: all)")
    parser.add_argument("--list-checks", action="store_true", help="the checks' names")
    parser.add_argument(
        "--from-agent",
        action="store_true",
        help="take nobody's word but the agent's for the notes' folders and what is installed, not your own",
    )
    parser.add_argument(
        "--record-fixtures", metavar="DIR", type=Path, help="write what this Mac's tools print into DIR, redacted"
    )


def run(options: argparse.Namespace, context: Context) -> Result:
    if options.record_fixtures:
        return _record(options.record_fixtures, context)
    from daemon.checks.every import CHECKS  # here, as everything that --help need not wait for

    if options.list_checks:
        return Result(schema="iaip.checks/1", data={"checks": list(CHECKS)}, text="\n".join(CHECKS))
    if options.name and options.name not in CHECKS:
        talk = f"there is no check {options.name}\n  next: `iaipctl doctor --list-checks`"
        return Result(schema="iaip.doctor/1", data={"findings": []}, text="", talk=talk, code=NOT_FOUND)
    subject = _subject(context, from_agent=options.from_agent)
    chosen = [options.name] if options.name else list(CHECKS)
    return _told({name: CHECKS[name](subject) for name in chosen})


def _told(findings: Mapping[str, Finding]) -> Result:
    lines = []
    for name, finding in findings.items():
        lines.append(f"{MARKS[finding.level]}  {name:<12} {finding.told}")
        if finding.remedy:
            lines.append(f"{'':<18} next: {finding.remedy}")
    failed = [name for name, finding in findings.items() if finding.level == "fail"]
    return Result(
        schema="iaip.doctor/1",
        data={"findings": [{"check": name, **msgspec.to_builtins(found)} for name, found in findings.items()]},
        text="\n".join(lines),
        talk=f"{len(failed)} of {len(findings)} checks failed: {', '.join(failed)}" if failed else "",
        code=FAILED if failed else DONE,
    )


def _subject(context: Context, *, from_agent: bool) -> Subject:
    from daemon.checks.finding import Subject
    from jobs.adapters.qmd_config import read_collections

    return Subject(
        home=context.home,
        machine=context.machine,
        agent=context.agent,
        program=context.program,
        qmd_files=context.qmd_files,
        collections=lambda: read_collections(context.releases.current / "qmd" / "index.yml"),
        installed=cache(partial(_installed, context, from_agent=from_agent)),
        keys=context.keys,
        file_walls=lambda: _file_walls(context.machine.platform),
        probe=partial(_probe, context, from_agent=from_agent),
    )


def _installed(context: Context, *, from_agent: bool) -> Installed | None:
    """As the agent finds it, for it starts the jobs; as this process does where no daemon answers, unless asked not
    to."""
    from daemon.installed import Installed, installed

    asked = from_agent or context.daemon_pid() is not None
    answer = ask(context.home.socket, Question(ask="installed"), AGENT_SECONDS) if asked else None
    with suppress(msgspec.DecodeError):  # a daemon of another version
        if answer is not None:
            return msgspec.json.decode(answer, type=Installed)
    return None if from_agent else installed(context.home, context.settings)


def _file_walls(platform: str) -> FileWalls:
    from daemon.system.sandbox import SANDBOX_EXEC
    from jobs.adapters.landlock import OLDEST_FOR_FILES, landlock_version

    if platform == "darwin":
        return "sandbox-exec" if Path(SANDBOX_EXEC).exists() else "none"
    return "landlock" if landlock_version() >= OLDEST_FOR_FILES else "none"


def _probe(
    context: Context, collections: Sequence[Collection], *, from_agent: bool
) -> Mapping[str, FolderState] | None:
    """As the agent may read them: it has other rights than whoever types. As this process may where no daemon answers,
    unless asked not to."""
    asked = from_agent or context.daemon_pid() is not None
    answer = ask(context.home.socket, Question(ask="folders"), AGENT_SECONDS) if asked else None
    with suppress(msgspec.DecodeError):  # a daemon of another version
        if answer is not None:
            return msgspec.json.decode(answer, type=dict[str, FolderState])
    return None if from_agent else {collection.name: probe_folder(collection.path) for collection in collections}


def _record(folder: Path, context: Context) -> Result:
    from daemon.checks.recordings import record

    names = record(context.machine, folder)
    return Result(
        schema="iaip.recordings/1",
        data={"folder": str(folder), "recorded": names},
        text="\n".join(str(folder / f"{name}.txt") for name in names),
        talk="Read the files before you hand them on: they are redacted, but you know best what is private. In iaip's"
        " source, tests/fakes/macos/recordings is their place: the tests read every file there."
        if names
        else "none of macOS's tools is here: run this on a Mac",
        code=DONE if names else FAILED,
    )
