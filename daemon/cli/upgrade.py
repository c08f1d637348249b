"""Into another version and, while that one is not proved, back: what restart does, and install after an upgrade."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import uuid4

from daemon.cli.result import FAILED, Result
from daemon.cli.root import Context
from daemon.cli.well import awaited, is_ours, told, why_not
from daemon.ledger.restore import let_go_back
from daemon.socket import Health, ask_health
from daemon.supervision import Supervision
from launchd.agent import AgentFailed

SECONDS_TO_SETTLE = 10.0
"""A program on trial must still be the same process so long after its first answer."""


def restarted(context: Context, schema: str, well: str, notes: list[str]) -> Result:
    """Restarts the daemon in order. A program on trial that is not well gives way to the former one."""
    health, problem = _tried(context, lambda health: is_ours(health, context))
    if health is not None:
        context.program.prove()
        return told(health, context, schema, well, notes)
    if not context.program.is_on_trial:
        talk = "\n".join([problem, "There is no former version on disk to go back to.", *notes])
        return Result(schema=schema, data={"healthy": False, "back": False}, text="", talk=talk, code=FAILED)
    former = _went_back(context)
    after = f"version {former.version} runs again, pid {former.pid}" if former else "and neither is the former one"
    talk = "\n".join([f"the new version is not well; {after}", problem, *notes])
    data = {"healthy": False, "back": former is not None}
    return Result(schema=schema, data=data, text="", talk=talk, code=FAILED)


def _went_back(context: Context) -> Health | None:
    """The former version's word. The new one is gone before: it could bring the ledger forward once more."""
    context.agent.stop()
    let_go_back(context.home)
    context.program.put_back()
    health, _ = _tried(context, lambda health: health.home == str(context.home.root))
    return health


def _tried(context: Context, wanted: Callable[[Health], bool]) -> tuple[Health | None, str]:
    """The daemon's word after a restart, or why there is none. Raises AgentFailed if nothing was restarted."""
    try:
        with Supervision(context.home).cleared():
            context.agent.restart()
    except AgentFailed as error:
        if error.kept:
            raise
        return None, f"{error.message}\n  next: {error.remedy}"
    health = awaited(context, wanted)
    if health is None:
        return None, why_not(context)
    if context.program.is_on_trial and not _stayed(health, context):
        return None, f"it answered once (pid {health.pid}) and was gone {SECONDS_TO_SETTLE:.0f} s later"
    return health, ""


def _stayed(health: Health, context: Context) -> bool:
    time.sleep(SECONDS_TO_SETTLE)
    again = ask_health(context.home.socket, uuid4().hex)
    return again is not None and again.pid == health.pid
