"""Whether the daemon is well after it was started: its own word, or why there is none."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from uuid import uuid4

import msgspec

from config.version import VERSION
from daemon.cli.result import FAILED, Result
from daemon.cli.root import Context
from daemon.socket import Health, ask_health, wait_healthy
from daemon.supervision import Supervision
from launchd.agent import AgentFailed

SECONDS_TO_BE_WELL = 60.0
SECONDS_TO_ASK_AGAIN = 10.0


def awaited(context: Context, wanted: Callable[[Health], bool]) -> Health | None:
    """The daemon's word, once it is ``wanted``; none after SECONDS_TO_BE_WELL, or when it says it stays down.

    A supervisor that was asked for a start while the former process was on its way out took that one for the answer,
    so it is asked again as long as nobody answers; where a process runs, that changes nothing.
    """
    supervision = Supervision(context.home)
    deadline = time.monotonic() + SECONDS_TO_BE_WELL
    while (left := deadline - time.monotonic()) > 0:
        health = wait_healthy(
            context.home.socket, wanted, min(left, SECONDS_TO_ASK_AGAIN), lambda: supervision.read().down is not None
        )
        if health is not None or supervision.read().down is not None:
            return health
        with suppress(AgentFailed):  # why it is not well is told when the time is over
            context.agent.start()
    return None


def is_ours(health: Health, context: Context) -> bool:
    return health.home == str(context.home.root) and health.version == VERSION


def told(health: Health | None, context: Context, schema: str, well: str, notes: list[str]) -> Result:
    """The answer of install, start and restart: the daemon's own word, or why there is none."""
    if health is None:
        talk = "\n".join([why_not(context), *notes])
        return Result(schema=schema, data={"healthy": False}, text="", talk=talk, code=FAILED)
    lines = [f"{well}: version {health.version}, pid {health.pid}, {health.live} is live", *notes]
    data = {"healthy": True, "daemon": msgspec.to_builtins(health)}
    return Result(schema=schema, data=data, text=lines[0], talk="\n".join(lines[1:]))


def why_not(context: Context) -> str:
    """Why the daemon does not answer as it should, as far as it is known, and what to do."""
    down = Supervision(context.home).read().down
    if down is not None:
        return f"the daemon stays down: {down}\n  next: `iaipctl doctor`; mend that, then `iaipctl start`"
    other = ask_health(context.home.socket, uuid4().hex)
    if other is not None:
        return (
            f"a daemon answers, but not the one that was started: version {other.version}, pid {other.pid}, of"
            f" {other.home}\n  next: `iaipctl restart`"
        )
    state = context.agent.state()
    detail = f" ({state.detail})" if state.detail else ""
    return (
        f"the daemon did not answer within {SECONDS_TO_BE_WELL:.0f} s; the agent is {state.condition}{detail}\n"
        f"  next: {state.remedy or '`iaipctl doctor`'}; its log is {context.home.logs / 'iaipd.log'}"
    )
