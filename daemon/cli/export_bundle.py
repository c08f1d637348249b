"""iaipctl export-bundle DIR: public material alone, to train elsewhere by hand. Nothing is sent anywhere."""

from __future__ import annotations

import argparse
from pathlib import Path

from daemon.cli.result import Result
from daemon.cli.root import Context


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder that is not there yet, or empty")
    parser.epilog = "Only notes called public; what is left out is counted by reason. The consent log keeps an entry."


def run(options: argparse.Namespace, context: Context) -> Result:
    from daemon.cli import bundling  # here, so that --help need not wait for it

    return bundling.run(options, context)
