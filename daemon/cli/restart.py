"""iaipctl restart: in order, and after an upgrade back to the former version if the new one is not well."""

from __future__ import annotations

import argparse

from daemon.cli.install import SECONDS_TO_BE_WELL, is_ours, told, why_not
from daemon.cli.result import FAILED, Result
from daemon.cli.root import Context
from daemon.socket import wait_healthy
from daemon.supervision import Supervision


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Run it with the iaipctl of the version you want. A version in a directory of its own can be gone back to;"
        " one installed over the former one cannot."
    )


def run(options: argparse.Namespace, context: Context) -> Result:
    home, supervision = context.home, Supervision(context.home)
    supervision.clear()
    placed = context.program.place()
    context.agent.restart()
    health = wait_healthy(home.socket, lambda health: is_ours(health, context), SECONDS_TO_BE_WELL)
    if health is not None:
        return told(health, context, "iaip.restart/1", "restarted", [])
    reason = why_not(context)
    if not (placed and context.program.put_back()):
        talk = f"{reason}\nThere is no former version on disk to go back to."
        return Result(schema="iaip.restart/1", data={"healthy": False, "back": False}, text="", talk=talk, code=FAILED)
    supervision.clear()
    context.agent.restart()
    former = wait_healthy(home.socket, lambda health: health.home == str(home.root), SECONDS_TO_BE_WELL)
    after = f"version {former.version} runs again, pid {former.pid}" if former else "and neither is the former one"
    return Result(
        schema="iaip.restart/1",
        data={"healthy": False, "back": former is not None},
        text="",
        talk=f"the new version is not well; {after}\n{reason}",
        code=FAILED,
    )
