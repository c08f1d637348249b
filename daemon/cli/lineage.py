"""iaipctl lineage document PATH | release vN: what was made from a note, and what a release was made from."""

from __future__ import annotations

import argparse
from types import ModuleType

from daemon.cli import lineage_document, lineage_release
from daemon.cli.result import USAGE, Result
from daemon.cli.root import Context

COMMANDS: dict[str, tuple[ModuleType, str]] = {
    "document": (lineage_document, "what was made from a note: datasets, models, releases, rows of search indexes"),
    "release": (lineage_release, "what each model of a release was made from"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="lineage_command")
    for name, (module, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--home", metavar="DIR", default=argparse.SUPPRESS, help="where everything lives")
        command.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="a versioned JSON document on stdout"
        )
        module.add_arguments(command)


def run(options: argparse.Namespace, context: Context) -> Result:
    if options.lineage_command is None:
        talk = "say which: `iaipctl lineage document PATH` or `iaipctl lineage release vN`"
        return Result(schema="iaip.lineage/1", data={}, text="", talk=talk, code=USAGE)
    found: Result = COMMANDS[options.lineage_command][0].run(options, context)
    return found
