"""iaipctl gc [--dry-run]: clears away what no rule keeps, with the daemon up or down."""

from __future__ import annotations

import argparse
from collections import Counter
from contextlib import nullcontext
from typing import TYPE_CHECKING

import msgspec

from daemon.cli.result import DONE, TRY_LATER, Result, table
from daemon.cli.root import Context
from daemon.ledger.room import sized
from daemon.system.lock import single_daemon
from jobs.domain.errors import Refused

if TYPE_CHECKING:
    from daemon.housekeeping import Clearing

CLEARING_SECONDS = 300.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would go and delete nothing")
    parser.epilog = (
        "Kept are the live release, the one to go back to, pinned ones, your own files (v0), the newest others"
        " ([disk] in config.toml), and whatever a run needs that goes on or may be retried. The daemon does the same"
        " by itself after every run and once a day."
    )


def run(options: argparse.Namespace, context: Context) -> Result:
    from daemon.housekeeping import Housekeeper  # here, so that --help need not wait for it

    housekeeper = Housekeeper(context.books, context.home, context.releases, context.settings.disk, nullcontext)
    if options.dry_run:
        return _told(housekeeper.plan(), done=False)
    if context.daemon_pid() is not None:
        return _asked(context)
    try:
        with single_daemon(context.home.daemon_lock):
            return _told(housekeeper.clear(), done=True)
    except Refused as error:
        return _later(error.message, error.remedy)


def _asked(context: Context) -> Result:
    from daemon.housekeeping import Clearing

    answer = context.ask("gc", {}, seconds=CLEARING_SECONDS)
    if answer is None:
        return _later("the daemon has not finished yet", "`iaipctl gc --dry-run` shows what is left")
    if "refused" in answer:
        return _later(answer["refused"], answer["remedy"])
    return _told(msgspec.convert(answer, Clearing), done=True)


def _later(message: str, remedy: str) -> Result:
    return Result(
        schema="iaip.gc/1",
        data={"done": False, "refused": message, "items": [], "bytes": 0},
        text="",
        talk=f"{message}. Next: {remedy}",
        code=TRY_LATER,
    )


def _told(clearing: Clearing, *, done: bool) -> Result:
    total = f"{sized(clearing.size)} {'freed' if done else 'would be freed'}"
    counts = Counter(item.kind for item in clearing.items)
    rows = [[item.kind, item.name, f"{item.size / 1e6:.1f}"] for item in clearing.items if item.kind != "log"]
    logs = [["logs", f"{counts['log']} of old jobs", ""]] if counts["log"] else []
    lines = [table(["what", "name", "MB"], rows + logs), total] if clearing.items else ["nothing to clear away"]
    return Result(
        schema="iaip.gc/1",
        data={
            "done": done,
            "items": [{"kind": item.kind, "name": item.name, "bytes": item.size} for item in clearing.items],
            "bytes": clearing.size,
        },
        text="\n".join(lines),
        code=DONE,
    )
