"""iaipctl install [--force]: the system starts the daemon, now and at every login. Verified by asking the daemon."""

from __future__ import annotations

import argparse
from uuid import uuid4

from daemon.cli.result import Result
from daemon.cli.root import Context
from daemon.cli.upgrade import restarted
from daemon.cli.well import awaited, is_ours, told
from daemon.socket import ask_health
from daemon.supervision import Supervision
from jobs.domain.errors import Refused
from launchd.agent import refuse_root


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--force", action="store_true", help="replace a definition that was edited by hand (yours is kept beside it)"
    )
    parser.epilog = "Safe to repeat. A launchd agent on macOS, a systemd user unit on Linux. Without sudo."


def run(options: argparse.Namespace, context: Context) -> Result:
    refuse_root(context.machine.session)
    if context.releases.live() is None:
        raise context.nothing_yet()
    _refuse_another_daemon(context)
    if not options.force:
        context.agent.require_ours()  # the program that starts at the next login stays as well
    context.program.place()
    with Supervision(context.home).cleared():
        notes = context.agent.install(force=options.force)
    if context.program.is_on_trial or _another_version_runs(context):
        return restarted(context, "iaip.install/1", "installed, upgraded and well", notes)
    health = awaited(context, lambda health: is_ours(health, context))
    return told(health, context, "iaip.install/1", "installed and well", notes)


def _another_version_runs(context: Context) -> bool:
    health = ask_health(context.home.socket, uuid4().hex)
    return health is not None and not is_ours(health, context)


def _refuse_another_daemon(context: Context) -> None:
    """One that was started by hand holds the home's lock: the agent's own would give up at once."""
    pid = context.daemon_pid()
    if pid is not None and context.agent.state().condition in ("not installed", "stopped"):
        raise Refused(
            f"a daemon started by hand serves this home (pid {pid}); nothing was changed",
            remedy=f"end it with `kill {pid}`, then `iaipctl install`",
        )
