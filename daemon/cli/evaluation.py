"""iaipctl evaluation add: judge queries in the terminal, the most telling first, or add your own."""

from __future__ import annotations

import argparse

from daemon.cli import evaluation_add
from daemon.cli.result import USAGE, Result
from daemon.cli.root import Context


def add_arguments(parser: argparse.ArgumentParser) -> None:
    text = "judge what both arms found, query by query; without a run, or with QUERY, what the live search finds"
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="evaluation_command")
    command = commands.add_parser("add", help=text, description=text)
    command.add_argument("--home", metavar="DIR", default=argparse.SUPPRESS, help="where everything lives")
    evaluation_add.add_arguments(command)


def run(options: argparse.Namespace, context: Context) -> Result:
    if options.evaluation_command is None:
        return Result(schema="iaip.evaluation/1", data={}, text="", talk="say `iaipctl evaluation add`", code=USAGE)
    return evaluation_add.run(options, context)
