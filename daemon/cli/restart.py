"""iaipctl restart: in order, and after an upgrade back to the former version if the new one is not well."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from daemon.cli.install import awaited, is_ours, told, why_not
from daemon.cli.result import FAILED, Result
from daemon.cli.root import Context
from daemon.socket import Health
from daemon.supervision import Supervision
from launchd.agent import AgentFailed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Run it with the iaipctl of the version you want. A version in a directory of its own can be gone back to;"
        " one installed over the former one cannot."
    )


def run(options: argparse.Namespace, context: Context) -> Result:
    placed = context.program.place()
    health, problem = _restarted(context, lambda health: is_ours(health, context))
    if health is not None:
        return told(health, context, "iaip.restart/1", "restarted", [])
    if not (placed and context.program.put_back()):
        talk = f"{problem}\nThere is no former version on disk to go back to."
        return Result(schema="iaip.restart/1", data={"healthy": False, "back": False}, text="", talk=talk, code=FAILED)
    former, _ = _restarted(context, lambda health: health.home == str(context.home.root))
    after = f"version {former.version} runs again, pid {former.pid}" if former else "and neither is the former one"
    return Result(
        schema="iaip.restart/1",
        data={"healthy": False, "back": former is not None},
        text="",
        talk=f"the new version is not well; {after}\n{problem}",
        code=FAILED,
    )


def _restarted(context: Context, wanted: Callable[[Health], bool]) -> tuple[Health | None, str]:
    """The daemon's word after a restart, or why there is none. Raises AgentFailed if nothing was restarted."""
    Supervision(context.home).clear()
    try:
        context.agent.restart()
    except AgentFailed as error:
        if error.kept:
            raise
        return None, f"{error.message}\n  next: {error.remedy}"
    health = awaited(context, wanted)
    return health, "" if health is not None else why_not(context)
