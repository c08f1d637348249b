"""iaipctl evaluation add: judge queries in the terminal, the most telling first, or add your own."""

from __future__ import annotations

import argparse

from daemon.cli.result import USAGE, Result
from daemon.cli.root import Context
from jobs.domain.examples import OWN_SET


def add_arguments(parser: argparse.ArgumentParser) -> None:
    text = "judge what both arms found, query by query; without a run, or with QUERY, what the live search finds"
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="evaluation_command")
    command = commands.add_parser("add", help=text, description=text)
    command.add_argument("--home", metavar="DIR", default=argparse.SUPPRESS, help="where everything lives")
    command.add_argument("query", nargs="*", help="your own query, in quotation marks; several are judged in turn")
    command.add_argument("--set", default=OWN_SET, metavar="NAME", help=f"where they are kept (default: {OWN_SET})")
    command.epilog = "Needs a terminal. Twenty judged queries of your own decide about every model from then on."


def run(options: argparse.Namespace, context: Context) -> Result:
    if options.evaluation_command is None:
        return Result(schema="iaip.evaluation/1", data={}, text="", talk="say `iaipctl evaluation add`", code=USAGE)
    from daemon.cli import evaluation_add  # here, so that --help need not wait for it

    return evaluation_add.run(options, context)
