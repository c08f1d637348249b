"""Every word of iaipctl is explained, and asking for help costs nothing."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from daemon.cli import completions
from daemon.cli.grammar import COMMANDS, Misused, named_in, parser_of

HEAVY = {
    "yaml",
    "ruamel",
    "numpy",
    "watchdog",
    "werkzeug",
    "jinja2",
    "huey",
    "structlog",
    "asyncio",
    "sqlite3",
    "torch",
}
OUR_LIBRARIES = {"msgspec", "psutil", "tomllib", "config", "jobs", "launchd"}


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from parsers(inner)


EVERY = list(parsers(parser_of(COMMANDS)))


@pytest.mark.parametrize("parser", EVERY, ids=lambda parser: parser.prog)
def test_every_command_and_every_option_is_explained(parser: argparse.ArgumentParser) -> None:
    assert parser.description
    silent = [
        action.dest
        for action in parser._actions
        if not action.help and not isinstance(action, argparse._SubParsersAction)
    ]
    assert silent == [], f"{parser.prog}: {silent}"
    assert parser.format_help()


def test_every_command_has_its_file_and_its_line() -> None:
    assert {parser.prog.removeprefix("iaipctl ") for parser in EVERY} >= COMMANDS.keys()


def modules_after(*words: str) -> set[str]:
    ask = (
        "import json, sys\nfrom daemon.cli.__main__ import main\nmain(sys.argv[1:])\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    told = subprocess.run([sys.executable, "-c", ask, *words], capture_output=True, text=True, timeout=60, check=True)
    return {name.split(".")[0] for name in json.loads(told.stderr.splitlines()[-1])}


def test_help_imports_nothing_heavy() -> None:
    assert modules_after("--help") & (HEAVY | OUR_LIBRARIES) == set()


def test_status_imports_nothing_heavy_but_the_ledgers_library(tmp_path) -> None:
    assert modules_after("status", "--help", "--home", str(tmp_path)) & HEAVY <= {"sqlite3"}


def test_what_is_not_understood_is_told_with_the_help_to_ask_for() -> None:
    with pytest.raises(Misused, match="invalid choice") as mistake:
        parser_of(("queue",)).parse_args(["queue", "fly"])
    assert mistake.value.remedy == "`iaipctl queue --help`"


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ("--home logs status", "status"),
        ("--home=logs status", "status"),
        ("status --home logs", "status"),
        ("--json --home status", None),
        ("queue", "queue"),
    ],
)
def test_a_home_that_is_called_like_a_command_is_none(typed: str, command: str | None) -> None:
    assert named_in(typed.split()) == command
    if command is not None:
        assert parser_of((command,)).parse_args(typed.split()).home in ("logs", None)


@pytest.mark.parametrize("shell", completions.PLACES)
def test_completions_know_every_command(shell: str) -> None:
    script = completions.script_for(shell)
    assert [name for name in COMMANDS if name not in script] == []


def test_bash_completes_commands_and_options() -> None:
    script = completions.script_for("bash")
    typed = "COMP_WORDS=(iaipctl rollback --d); COMP_CWORD=2; _shtab_iaipctl; echo ${COMPREPLY[@]}"
    told = subprocess.run(["bash", "-c", f"{script}\n{typed}"], capture_output=True, text=True, timeout=20, check=True)
    assert told.stdout.split() == ["--dry-run"]
