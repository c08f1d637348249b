"""iaipctl consent verify: whether the log of all consent changes is whole. Needs nothing but its files."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from daemon.cli.result import DONE, FAILED, Result
from daemon.cli.root import Context
from jobs.consent.book import ConsentBook
from jobs.consent.log import ANEW, ahead, broken


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", type=Path, help="a copy of a consent folder (default: the home's)")
    parser.epilog = (
        "Exit code 1 when the chain is broken. Files that differ from their import are listed, and no fault."
    )


def run(options: argparse.Namespace, context: Context) -> Result:
    book = ConsentBook(options.folder or context.home.consent)
    chain, changes = book.chain(), book.changes()
    newest = chain.newest()
    lines = [f"{len(chain.entries)} entries hold together, the newest of {newest:%Y-%m-%d %H:%M} UTC"] if newest else []
    lines += [f"BROKEN: {chain.problem}"] if chain.problem else [] if newest else ["the log is empty"]
    clock = ahead(book.day(now := datetime.now(UTC), chain), now)
    lines += [f"{clock}; if the log is wrong, {ANEW}"] if clock else []
    lines += [f"{name}: {change}, not imported" for name, change in changes.items()]
    data = {"entries": len(chain.entries), "head": chain.head, "problem": chain.problem, "not_imported": changes}
    data["clock"] = clock
    return Result(
        schema="iaip.consent-verify/1",
        data=data,
        text="\n".join(lines),
        talk=f"{broken(chain).message}\n  next: {broken(chain).remedy}" if chain.problem else "",
        code=FAILED if chain.problem else DONE,
    )
