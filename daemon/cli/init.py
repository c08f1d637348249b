"""iaipctl init: a home, and the owner's QMD files adopted as release v0."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from daemon.cli.result import Result
from daemon.cli.root import Context
from daemon.ledger.restore import open_or_restore
from daemon.system.lock import single_daemon
from daemon.system.volumes import require_local
from jobs.adoption import adopt
from jobs.domain.artifacts import LiveModel
from jobs.domain.errors import BadInput


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Safe to repeat. Your QMD configuration and index are copied into release v0 first, then linked."


def run(options: argparse.Namespace, context: Context) -> Result:
    from jobs.adapters.qmd_config import read_collections, read_models

    home, files = context.home, context.qmd_files
    if not home.root.exists() and context.agent.serves():  # a second home would hide the first one's mount point
        raise context.nothing_yet()
    require_local(home.root)
    if not files.config.exists():
        raise BadInput(
            f"QMD has no configuration at {files.config}",
            remedy="add your notes first: `qmd collection add FOLDER --name notes`, then run `iaipctl init` again",
        )
    collections = read_collections(files.config)
    models = read_models(files.config)
    for directory in (
        home.root,
        home.curated / "embedding",
        home.curated / "expansion",
        home.evaluation,
        home.consent,
        home.logs,
        home.datasets,
        home.stages,
    ):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    targets = {}
    for target, address in (("embedding", models.embed), ("expansion", models.generate)):
        if address:
            targets[target] = LiveModel(base="adopted", gguf=address, sha256="")
    adopt(context.releases, files, datetime.now(UTC), targets)
    if not home.ledger.exists():
        with single_daemon(home.daemon_lock):
            books, _ = open_or_restore(home, context.releases, datetime.now(UTC))
            books.database.close()
    lines = [f"home       {home.root}", f"live       {context.releases.live()}"]
    lines += [f"collection {collection.name}: {collection.path}" for collection in collections]
    return Result(
        schema="iaip.init/1",
        data={"home": str(home.root), "live": context.releases.live(), "collections": [c.name for c in collections]},
        text="\n".join(lines),
        talk="Nothing trains before you say what your notes are:\n"
        "  `iaipctl consent classify FOLDER --as public`    for manuals and other public texts\n"
        "  `iaipctl consent classify FOLDER --as personal`  for your own notes, then\n"
        "  `iaipctl consent grant --person me --folder FOLDER --uses embed,expand,evaluate`\n"
        "Then `iaipctl install` starts the daemon, now and at every login; `iaipctl status` shows it.",
    )
