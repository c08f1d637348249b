"""iaipctl restart: in order, and after an upgrade back to the former version if the new one is not well."""

from __future__ import annotations

import argparse

from daemon.cli.result import Result
from daemon.cli.root import Context
from daemon.cli.upgrade import restarted
from launchd.agent import refuse_root


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Run it with the iaipctl of the version you want. A version in a directory of its own can be gone back to;"
        " one installed over the former one cannot."
    )


def run(options: argparse.Namespace, context: Context) -> Result:
    refuse_root(context.machine.session)
    if not context.home.root.exists():
        raise context.nothing_yet()
    context.program.place()
    return restarted(context, "iaip.restart/1", "restarted", [])
