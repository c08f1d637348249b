"""iaipctl stop: the installed daemon ends in order; a running job keeps its checkpoint."""

from __future__ import annotations

import argparse

from daemon.cli.result import FAILED, Result
from daemon.cli.root import Context


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "It starts again at the next login; `iaipctl uninstall` ends that."


def run(options: argparse.Namespace, context: Context) -> Result:
    context.agent.stop()
    pid = context.daemon_pid()
    if pid is not None:
        return Result(
            schema="iaip.stop/1",
            data={"stopped": False, "pid": pid},
            text="",
            talk=f"the agent is stopped, but a daemon started by hand goes on (pid {pid})\n  next: `kill {pid}`",
            code=FAILED,
        )
    installed = context.agent.state().definition != "missing"
    return Result(
        schema="iaip.stop/1",
        data={"stopped": True, "pid": None},
        text="stopped" if installed else "no agent is installed, and no daemon runs",
        talk="It starts again at the next login, or with `iaipctl start`." if installed else "",
    )
