"""iaipctl rollback [--to vN]: one rename, in under a second, with the daemon up or down."""

from __future__ import annotations

import argparse

from daemon.cli.result import Result
from daemon.cli.root import Context


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", metavar="vN", help="any release, also a later one (default: the one before)")
    parser.add_argument("--dry-run", action="store_true", help="say what would happen and change nothing")


def run(options: argparse.Namespace, context: Context) -> Result:
    releases = context.releases
    live = releases.live()
    if options.dry_run:
        target = options.to or (None if live is None else releases.before(live))
        return Result(
            schema="iaip.rollback/1",
            data={"from": live, "to": target, "done": False},
            text=f"would switch from {live} to {target}" if target else "there is nothing to go back to",
        )
    now_live = releases.roll_back(options.to)
    context.tell("switched", {"left": live, "live": now_live})
    return Result(
        schema="iaip.rollback/1",
        data={"from": live, "to": now_live, "done": True},
        text=f"{now_live} is live (was {live})",
        talk="Notes edited since then enter its index with the next `qmd update` and `qmd embed`.",
    )
