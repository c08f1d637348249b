"""What a command says of a request that the daemon has not answered: it is kept either way."""

from __future__ import annotations

from typing import Any

from daemon.cli.result import NOT_RUNNING, TRY_LATER, Result
from daemon.cli.root import Context


def unanswered(schema: str, data: dict[str, Any], context: Context) -> Result:
    """Ends with TRY_LATER while there is a daemon (it starts, stops, or is at something longer), else NOT_RUNNING."""
    if context.daemon_pid() is None:
        talk = "The daemon is not running: the request is kept until it starts. Next: `iaipctl start`, or `iaipd`"
        code = NOT_RUNNING
    else:
        talk = "It has not answered yet: the request is kept and done when it gets to it. Next: `iaipctl status`"
        code = TRY_LATER
    return Result(schema=schema, data={**data, "waiting": True}, text="", talk=talk, code=code)
