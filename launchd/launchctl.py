"""launchctl's exit codes in words, each with the next step, and the two of its outputs that are read.

The numbers are those of `launchctl error N` (xpc_strerror). `launchctl print` is "not API in any sense" by
its own manual: its exit code alone says whether a label is registered, its text only ever explains.
"""

from __future__ import annotations

import re

from launchd.agent import AgentFailed
from launchd.machine import NOT_THERE, TIMED_OUT, Answer, Session

NO_SUCH_PROCESS, INPUT_OUTPUT, FILE_EXISTS = 3, 5, 17
IN_PROGRESS, RUNS_ALREADY = 36, 37
NO_DOMAIN, NO_SERVICE, DISABLED, NOT_IN_DOMAIN = 112, 113, 119, 125
BACKGROUND_POLICY, QUARANTINED, BAD_PERMISSIONS = 161, 155, 122
NOT_REGISTERED = (NO_SUCH_PROCESS, NO_SERVICE, NO_DOMAIN, NOT_IN_DOMAIN, NOT_THERE)
"""What `print` of a label ends with where it is not: launchd knows none, has no session for it, or is no launchd."""

_LOGIN_ITEMS = "open System Settings, General, Login Items & Extensions, allow iaip-agent there, then `iaipctl start`"
_LOG_IN = (
    "log in at the Mac's own screen (or by Screen Sharing): the agent then starts by itself; `iaipctl doctor` tells"
)
_AGAIN = "`iaipctl install` once more; if it stays, `iaipctl doctor` shows what is wrong"

WORDS: dict[int, tuple[str, str]] = {
    TIMED_OUT: ("launchctl did not answer in time", "wait a minute, then try again; a restart of the Mac clears it"),
    NOT_THERE: ("launchctl is not there", "run this on macOS itself, outside any container"),
    NO_SUCH_PROCESS: ("launchd knows no such agent", "`iaipctl install`"),
    INPUT_OUTPUT: ("launchd refused with its catch-all error (busy, disabled, or a permission)", _AGAIN),
    FILE_EXISTS: ("launchd has an agent of this name already", "`iaipctl restart`"),
    IN_PROGRESS: ("launchd is still taking the former agent down", "wait ten seconds, then try again"),
    RUNS_ALREADY: ("launchd is still busy with the former agent", "wait ten seconds, then try again"),
    109: ("launchd cannot read the agent's plist", "`iaipctl install --force` writes it anew"),
    111: ("launchd does not find the agent's program", "`iaipctl install` writes it anew"),
    NO_DOMAIN: ("there is no graphical session of yours for the agent to live in", _LOG_IN),
    NO_SERVICE: ("the agent is not registered with launchd", "`iaipctl start`"),
    118: ("launchd gave a bad answer", "restart the Mac, then `iaipctl install`"),
    DISABLED: ("the agent is switched off in launchd's own list", "`iaipctl start` switches it on again"),
    BAD_PERMISSIONS: ("launchd does not trust the plist's owner or permissions", "`iaipctl install --force`"),
    124: ("your session is being closed", "log in again, then `iaipctl start`"),
    NOT_IN_DOMAIN: ("your session cannot run agents: it has no screen, or Login Items has iaip switched off", _LOG_IN),
    134: ("the agent cannot run in this kind of session", _LOG_IN),
    150: ("System Integrity Protection forbids it", "choose a home of your own with --home"),
    QUARANTINED: (
        "macOS refuses to run the interpreter because it is quarantined",
        "`iaipctl doctor interpreter` names the file; `xattr -d com.apple.quarantine FILE` if you trust it",
    ),
    159: ("a sandbox forbids it", "run this from a terminal outside any sandbox"),
    BACKGROUND_POLICY: ("macOS forbids the agent to run in the background", _LOGIN_ITEMS),
}


def failed(verb: str, answer: Answer, session: Session) -> AgentFailed:
    """What an exit code means, and what to do. Codes nobody has described are shown as they are."""
    words, remedy = WORDS.get(
        answer.code, (f"launchctl {verb} ended with {answer.code}", f"`launchctl error {answer.code}` may say more")
    )
    if session.ssh and answer.code in (NO_DOMAIN, NOT_IN_DOMAIN):
        words += "; you are here by SSH"
    return AgentFailed(f"{words} (launchctl {verb}: {answer.code})", remedy=remedy)


def is_disabled(print_disabled: str, label: str) -> bool:
    """Whether `launchctl print-disabled` has the label switched off: ``=> disabled``, on older systems ``=> true``."""
    return re.search(rf'^\s*"{re.escape(label)}" => (disabled|true)\s*$', print_disabled, re.MULTILINE) is not None


def told_state(printed: str) -> str:
    """``state = …`` at the first depth of `launchctl print`, or nothing: to explain with, never to decide by."""
    found = re.search(r"^\t(?!\t)state = (.+)$", printed, re.MULTILINE)
    return found[1].strip() if found else ""
