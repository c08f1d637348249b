"""iaipctl consent import: takes in the policy and the records as people changed them."""

from __future__ import annotations

import argparse
import getpass
from datetime import UTC, datetime

from daemon.cli.consent_classify import moved
from daemon.cli.consent_coverage import survey
from daemon.cli.result import Result
from daemon.cli.root import Context
from jobs.consent.book import ConsentBook


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--by", default=getpass.getuser(), metavar="NAME", help="who signs off (default: you)")
    parser.epilog = (
        "All or nothing: if one file cannot be used, none is taken in. A changed file allows nothing before."
    )


def run(options: argparse.Namespace, context: Context) -> Result:
    before = survey(context)
    entries = ConsentBook(context.home.consent).import_changes(
        options.by, datetime.now(UTC), collections=context.corpus.collections()
    )
    if not entries:
        return Result(schema="iaip.consent-import/1", data={"imported": []}, text="nothing was changed")
    context.ask("refresh", {})
    lines = [f"{entry.subject}: {entry.action}, revision {entry.number}" for entry in entries]
    return Result(
        schema="iaip.consent-import/1",
        data={"imported": [{"file": e.subject, "action": e.action, "revision": e.number} for e in entries]},
        text="\n".join([*lines, moved(before, survey(context))]),
    )
