"""iaipctl releases: what is live, what was, and what each was worth."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import msgspec

from daemon.cli.result import USAGE, Result, table
from daemon.cli.root import Context
from jobs.release_keeping import pin, pinned, unpin
from jobs.releases import Release


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "pin", "unpin"),
        default="list",
        help="list (default); pin: keep it for good; unpin: let it be cleared away again",
    )
    parser.add_argument("name", nargs="?", help="pin, unpin: a release; a pinned one is never cleared away")
    parser.epilog = "States: live, previous, trial, rolled-back, withdrawn (stopped for good, never live again)."


def run(options: argparse.Namespace, context: Context) -> Result:
    if options.action == "list":
        return _list(context)
    if options.name is None:
        talk = f"which release? `iaipctl releases {options.action} vN`"
        return Result(schema="iaip.releases/1", data={}, text="", talk=talk, code=USAGE)
    (pin if options.action == "pin" else unpin)(context.releases, options.name)
    kept = options.action == "pin"
    return Result(
        schema="iaip.releases/1",
        data={"name": options.name, "pinned": kept},
        text=f"{options.name} is {'pinned: it stays until it is unpinned' if kept else 'no longer pinned'}",
    )


def _list(context: Context) -> Result:
    releases = context.releases.all()
    stay = pinned(context.releases)
    rows = [
        [
            r.metadata.name,
            r.state + (", pinned" if r.metadata.name in stay else ""),
            r.metadata.created_at.astimezone().strftime("%Y-%m-%d %H:%M"),
            ", ".join(f"{target}: {Path(model.gguf).name}" for target, model in r.metadata.targets.items()),
            _gain(r),
        ]
        for r in releases
    ]
    return Result(
        schema="iaip.releases/1",
        data={"releases": [_data(release, release.metadata.name in stay) for release in releases]},
        text=table(["release", "state", "created", "models", "gain"], rows) if rows else "none yet: `iaipctl init`",
    )


def _data(release: Release, stays: bool) -> dict[str, Any]:
    metadata = release.metadata
    return {
        "name": metadata.name,
        "state": release.state,
        "created_at": metadata.created_at.isoformat(),
        "targets": {target: msgspec.to_builtins(model) for target, model in metadata.targets.items()},
        "gain": msgspec.to_builtins(metadata.gain),
        "run": metadata.run,
        "pinned": stays,
    }


def _gain(release: Release) -> str:
    gain = release.metadata.gain
    return "" if gain is None else f"{gain.metric} {gain.delta:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
