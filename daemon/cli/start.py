"""iaipctl start: the installed daemon runs again, also after it gave up."""

from __future__ import annotations

import argparse

from daemon.cli.result import Result
from daemon.cli.root import Context
from daemon.cli.well import awaited, told
from daemon.supervision import Supervision
from launchd.agent import refuse_root


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Clears the count of crashes that made it stay down."


def run(options: argparse.Namespace, context: Context) -> Result:
    refuse_root(context.machine.session)
    with Supervision(context.home).cleared():
        context.agent.start()
    health = awaited(context, lambda health: health.home == str(context.home.root))
    return told(health, context, "iaip.start/1", "running", [])
