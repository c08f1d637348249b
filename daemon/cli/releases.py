"""iaipctl releases: what is live, what was, and what each was worth."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import msgspec

from daemon.cli.result import Result, table
from daemon.cli.root import Context
from jobs.releases import Release


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "States: live, previous, trial, rolled-back, withdrawn."


def run(options: argparse.Namespace, context: Context) -> Result:
    releases = context.releases.all()
    rows = [
        [
            r.metadata.name,
            r.state,
            r.metadata.created_at.astimezone().strftime("%Y-%m-%d %H:%M"),
            ", ".join(f"{target}: {Path(model.gguf).name}" for target, model in r.metadata.targets.items()),
            _gain(r),
        ]
        for r in releases
    ]
    return Result(
        schema="iaip.releases/1",
        data={"releases": [_data(release) for release in releases]},
        text=table(["release", "state", "created", "models", "gain"], rows) if rows else "none yet: `iaipctl init`",
    )


def _data(release: Release) -> dict[str, Any]:
    metadata = release.metadata
    return {
        "name": metadata.name,
        "state": release.state,
        "created_at": metadata.created_at.isoformat(),
        "targets": {target: msgspec.to_builtins(model) for target, model in metadata.targets.items()},
        "gain": msgspec.to_builtins(metadata.gain),
        "run": metadata.run,
    }


def _gain(release: Release) -> str:
    gain = release.metadata.gain
    return "" if gain is None else f"{gain.metric} {gain.delta:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
