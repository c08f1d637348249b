"""The agent: what the supervisor knows of it, and what the daemon says itself. The daemon's word counts."""

from __future__ import annotations

from uuid import uuid4

from config.version import VERSION
from daemon.checks.finding import Finding, Subject, cannot_tell, fail, ok, warn
from daemon.socket import Health, ask_health
from daemon.supervision import Supervision


def check_agent(subject: Subject) -> Finding:
    health = ask_health(subject.home.socket, uuid4().hex)
    state = subject.agent.state()
    down = Supervision(subject.home).read().down
    detail = f"{state.condition}; {state.detail}" if state.detail else state.condition
    if health is not None and state.condition == "registered":
        return _running(health, state.definition)
    if health is not None:
        return warn(f"the daemon runs (pid {health.pid}), but not by the agent, which is {detail}", "`iaipctl install`")
    if down is not None:
        return fail(f"the daemon stays down: {down}", "mend that, then `iaipctl start`")
    if state.condition == "registered":
        log = subject.home.logs / "iaipd.log"
        return fail(f"the agent is registered but does not answer; {state.detail}", f"read {log}, then `iaipctl start`")
    if state.condition == "cannot tell":
        return cannot_tell(detail, state.remedy)
    level = warn if state.condition in ("not installed", "stopped") else fail
    return level(f"the agent is {detail}", state.remedy)


def _running(health: Health, definition: str) -> Finding:
    if health.version != VERSION:
        return warn(f"version {health.version} runs, {VERSION} is installed", "`iaipctl restart`")
    if definition == "outdated":
        told = f"the agent answers, pid {health.pid}; its definition is an earlier version's"
        return warn(told, "`iaipctl restart` renews it")
    if definition == "edited":
        told = f"the agent answers, pid {health.pid}; its definition was edited by hand"
        return warn(told, "`iaipctl install --force` replaces it and keeps yours")
    return ok(f"the agent answers: version {health.version}, pid {health.pid}, {health.live} is live")
