"""Commands of a command, as `iaipctl consent` and `iaipctl lineage` have them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from types import ModuleType

Subcommands = Mapping[str, tuple[ModuleType, str]]
"""By name: the module that answers, and its line of help."""


def add_subcommands(parser: argparse.ArgumentParser, subcommands: Subcommands, dest: str) -> None:
    """Each takes --home and --json too; ``dest`` will hold the chosen one's name, or none."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest=dest)
    for name, (module, text) in subcommands.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--home", metavar="DIR", default=argparse.SUPPRESS, help="where everything lives")
        command.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="a versioned JSON document on stdout"
        )
        module.add_arguments(command)
