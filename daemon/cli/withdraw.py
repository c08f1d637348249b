"""iaipctl withdraw (--document | --consent | --person): takes back for good what was given, and says so, signed."""

from __future__ import annotations

import argparse
from pathlib import Path

from daemon.cli.result import Result
from daemon.cli.root import Context


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--document", metavar="PATH", help="a note, also one that is gone; or collection/path")
    what.add_argument("--consent", metavar="ID", help="a record of consent/, as `iaipctl consent report` names it")
    what.add_argument("--person", metavar="NAME", help="every consent of this holder; `me` is the owner")
    what.add_argument("--verify", metavar="RECEIPT", type=Path, help="check a receipt's signature; needs no network")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.epilog = (
        "Releases that learnt from it stop at once; then all that was made of it is removed, training without it is"
        " queued, and a signed receipt is left in consent/receipts. There is no way back. Your notes stay as they are."
    )


def run(options: argparse.Namespace, context: Context) -> Result:
    from daemon.cli import withdrawing  # here, so that --help need not wait for it

    return withdrawing.run(options, context)
