"""iaipctl lineage document PATH | release vN: what was made from a note, and what a release was made from."""

from __future__ import annotations

import argparse
from types import ModuleType

from daemon.cli import lineage_document, lineage_release
from daemon.cli.result import USAGE, Result
from daemon.cli.root import Context
from daemon.cli.subcommands import add_subcommands

COMMANDS: dict[str, tuple[ModuleType, str]] = {
    "document": (lineage_document, "what was made from a note: datasets, models, releases, rows of search indexes"),
    "release": (lineage_release, "what each model of a release was made from"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_subcommands(parser, COMMANDS, "lineage_command")


def run(options: argparse.Namespace, context: Context) -> Result:
    if options.lineage_command is None:
        talk = "say which: `iaipctl lineage document PATH` or `iaipctl lineage release vN`"
        return Result(schema="iaip.lineage/1", data={}, text="", talk=talk, code=USAGE)
    found: Result = COMMANDS[options.lineage_command][0].run(options, context)
    return found
