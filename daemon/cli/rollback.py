"""iaipctl rollback [--to vN]: one rename, in under a second, with the daemon up or down."""

from __future__ import annotations

import argparse
from pathlib import Path

from daemon.cli.result import Result
from daemon.cli.root import Context
from jobs.releases import Releases


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", metavar="vN", help="any release, also a later one (default: the one before)")
    parser.add_argument("--dry-run", action="store_true", help="say what would happen and change nothing")


def run(options: argparse.Namespace, context: Context) -> Result:
    from jobs.dataset.learnt import roll_back, way_back  # here, so that --help need not wait for it

    if not context.home.root.exists():
        raise context.nothing_yet()
    releases = context.releases
    live = releases.live()
    if options.dry_run:
        return _foretold(*way_back(releases, options.to, context.inquiry()), releases)
    now_live = roll_back(releases, options.to, context.inquiry())
    context.tell("switched", {"left": live, "live": now_live})
    return Result(
        schema="iaip.rollback/1",
        data={"from": live, "to": now_live, "done": True},
        text=f"{now_live} is live (was {live})",
        talk="Notes edited since then enter its index with the next `qmd update` and `qmd embed`.",
    )


def _foretold(live: str, to: str, releases: Releases) -> Result:
    """What the switch would change. It is refused where the switch would be."""
    now, then = (releases.release(name).metadata.targets for name in (live, to))
    models = {
        target: (
            Path(now[target].gguf).name if target in now else None,
            Path(then[target].gguf).name if target in then else None,
        )
        for target in sorted(now.keys() | then.keys())
    }
    changes = {target: {"from": old, "to": new} for target, (old, new) in models.items() if old != new}
    lines = [f"would switch from {live} to {to}"]
    lines += [
        f"{target}: {change['from'] or 'your own'} → {change['to'] or 'your own'}" for target, change in changes.items()
    ]
    data = {"from": live, "to": to, "done": False, "models": changes}
    return Result(schema="iaip.rollback/1", data=data, text="\n".join(lines))
