"""iaipctl install [--force]: the system starts the daemon, now and at every login. Verified by asking the daemon."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import msgspec

from config.version import VERSION
from daemon.cli.result import FAILED, Result
from daemon.cli.root import Context
from daemon.socket import Health, wait_healthy
from daemon.supervision import Supervision
from jobs.domain.errors import BadInput, Refused

SECONDS_TO_BE_WELL = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--force", action="store_true", help="replace a definition that was edited by hand (yours is kept in the home)"
    )
    parser.epilog = "Safe to repeat. A launchd agent on macOS, a systemd user unit on Linux. Without sudo."


def run(options: argparse.Namespace, context: Context) -> Result:
    if context.releases.live() is None:
        raise BadInput(f"there is nothing at {context.home.root} yet", remedy="run `iaipctl init` first")
    _refuse_another_daemon(context)
    Supervision(context.home).clear()
    placed = context.program.place()
    notes = context.agent.install(force=options.force)
    if placed:
        notes.append("The daemon's program was written anew; a daemon that ran before needs `iaipctl restart`.")
    health = awaited(context, lambda health: is_ours(health, context))
    return told(health, context, "iaip.install/1", "installed and well", notes)


def _refuse_another_daemon(context: Context) -> None:
    """One that was started by hand holds the home's lock: the agent's own would give up at once."""
    pid = context.daemon_pid()
    if pid is not None and context.agent.state().condition in ("not installed", "stopped"):
        raise Refused(
            f"a daemon started by hand serves this home (pid {pid}); nothing was changed",
            remedy=f"end it with `kill {pid}`, then `iaipctl install`",
        )


def awaited(context: Context, wanted: Callable[[Health], bool]) -> Health | None:
    """The daemon's word, once it is ``wanted``; none after SECONDS_TO_BE_WELL, or when it says it stays down."""
    supervision = Supervision(context.home)
    return wait_healthy(context.home.socket, wanted, SECONDS_TO_BE_WELL, lambda: supervision.read().down is not None)


def is_ours(health: Health, context: Context) -> bool:
    return health.home == str(context.home.root) and health.version == VERSION


def told(health: Health | None, context: Context, schema: str, well: str, notes: list[str]) -> Result:
    """The answer of install, start and restart: the daemon's own word, or why there is none."""
    if health is None:
        return Result(schema=schema, data={"healthy": False}, text="", talk=why_not(context), code=FAILED)
    lines = [f"{well}: version {health.version}, pid {health.pid}, {health.live} is live", *notes]
    data = {"healthy": True, "daemon": msgspec.to_builtins(health)}
    return Result(schema=schema, data=data, text=lines[0], talk="\n".join(lines[1:]))


def why_not(context: Context) -> str:
    """Why the daemon does not answer, as far as it is known, and what to do."""
    down = Supervision(context.home).read().down
    if down is not None:
        return f"the daemon stays down: {down}\n  next: `iaipctl doctor`; mend that, then `iaipctl start`"
    state = context.agent.state()
    detail = f" ({state.detail})" if state.detail else ""
    return (
        f"the daemon did not answer within {SECONDS_TO_BE_WELL:.0f} s; the agent is {state.condition}{detail}\n"
        f"  next: {state.remedy or '`iaipctl doctor`'}; its log is {context.home.logs / 'iaipd.log'}"
    )
