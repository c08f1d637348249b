"""The agent under launchd. ``bootout`` returns before the label is free, so every change waits until it is."""

from __future__ import annotations

import plistlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from config.paths import Home
from launchd import launchctl
from launchd.agent import SECONDS_TO_STOP, AgentFailed, AgentState, refuse_root
from launchd.definition import DefinitionFile
from launchd.machine import Answer, Machine, WriteFile
from launchd.surroundings import agent_environment, refuse_unspeakable

LABEL = "ca.iaip.agent"
POLL_SECONDS = 0.5
RETRY_SECONDS = (3.0, 5.0, 7.0)


class LaunchdAgent:
    """launchd's label LABEL in the owner's graphical session."""

    def __init__(self, machine: Machine, home: Home, write: WriteFile) -> None:
        self._machine = machine
        self._home = home
        self._domain = f"gui/{machine.session.uid}"
        self._target = f"{self._domain}/{LABEL}"
        self._logs = machine.user_home / "Library" / "Logs" / "iaip"
        self.definition = DefinitionFile(
            machine.user_home / "Library" / "LaunchAgents" / f"{LABEL}.plist",
            home.agent_record,
            write,
            lambda environment: plistlib.dumps(plist(self._home, self._logs, environment)),
        )

    def require_ours(self) -> None:
        self.definition.require_ours(agent_environment(self._home, self._machine.environment))

    def install(self, *, force: bool) -> list[str]:
        self._refuse_root()
        refuse_unspeakable(self._home)
        self._logs.mkdir(parents=True, exist_ok=True, mode=0o700)  # without it launchd never starts the program (78)
        self.definition.place(agent_environment(self._home, self._machine.environment), force=force)
        if force or not self.definition.is_taken:
            self._unload()
        self._begin()
        return []

    def uninstall(self) -> list[str]:
        self._refuse_root()
        self._unload()
        shutil.rmtree(self._logs, ignore_errors=True)
        return self.definition.remove()

    def serves(self) -> bool:
        return self.definition.names(escape(str(self._home.agent_program)))

    def start(self) -> None:
        self._require_definition()
        self.definition.note_stopped(False)
        self._begin()

    def stop(self) -> None:
        self._unload()
        self.definition.note_stopped(True)

    def restart(self) -> None:
        """By bootout and bootstrap: the daemon gets its SIGTERM and the time to stop in order."""
        self._require_definition()
        self.definition.renew()
        self._unload()
        self._begin()
        self.definition.note_stopped(False)

    def state(self) -> AgentState:
        definition = self.definition.standing()
        answer = self._call("print", self._target)
        if answer.code == 0:
            told = launchctl.told_state(answer.out)
            held = "; launchd holds it back after crashes" if told == "spawn scheduled" else ""
            return AgentState(condition="registered", definition=definition, detail=f"launchd says: {told}{held}")
        if definition == "missing":
            return AgentState(condition="not installed", definition=definition, remedy="`iaipctl install`")
        if answer.code != launchctl.NO_SERVICE:
            problem = launchctl.failed("print", answer, self._machine.session)
            return AgentState(
                condition="cannot tell", definition=definition, detail=problem.message, remedy=problem.remedy
            )
        disabled = self._call("print-disabled", self._domain)
        if disabled.code == 0 and launchctl.is_disabled(disabled.out, LABEL):
            words, remedy = launchctl.WORDS[launchctl.DISABLED]
            return AgentState(condition="disabled", definition=definition, detail=words, remedy=remedy)
        if self.definition.record().stopped:
            return AgentState(condition="stopped", definition=definition, remedy="`iaipctl start`")
        return AgentState(
            condition="cannot tell",
            definition=definition,
            detail="its plist is there but launchd does not know it; Login Items may have it switched off",
            remedy=launchctl.WORDS[launchctl.BACKGROUND_POLICY][1],
        )

    def _registered(self) -> bool:
        """Whether launchd knows the label. Raises AgentFailed for any answer that does not say: it may be busy."""
        answer = self._call("print", self._target)
        if answer.code not in (0, *launchctl.NOT_REGISTERED):
            raise launchctl.failed("print", answer, self._machine.session)
        return answer.code == 0

    def _unload(self) -> None:
        """Returns when the label is free: "not running" is not enough, a stopping service still holds it."""
        if not self._registered():
            return
        answer = self._call("bootout", self._target, timeout=SECONDS_TO_STOP + 15.0)
        going = (0, launchctl.NO_SUCH_PROCESS, launchctl.NO_SERVICE, launchctl.IN_PROGRESS, launchctl.RUNS_ALREADY)
        if answer.code not in going:
            raise launchctl.failed("bootout", answer, self._machine.session)
        for _ in range(int((SECONDS_TO_STOP + 15) / POLL_SECONDS)):
            if not self._registered():
                return
            self._machine.pause(POLL_SECONDS)
        raise AgentFailed(
            f"launchd has not let go of {LABEL} within {SECONDS_TO_STOP + 15} s",
            remedy="wait a minute, then try again; a restart of the Mac clears it",
        )

    def _begin(self) -> None:
        """Has it run: by kickstart where launchd knows it already and it may stand still after an exit with 0."""
        self._call("enable", self._target)
        if not self._registered():
            self._load()
            return
        answer = self._call("kickstart", self._target)
        if answer.code not in (0, launchctl.RUNS_ALREADY):
            raise launchctl.failed("kickstart", answer, self._machine.session)

    def _load(self) -> None:
        """A label that is gone may be busy for a moment (5, 37), and an override may come between two calls (119)."""
        for seconds in (*RETRY_SECONDS, None):
            answer = self._call("bootstrap", self._domain, str(self.definition.path))
            if answer.code == 0:
                self.definition.note_taken()
                return
            passing = answer.code in (launchctl.INPUT_OUTPUT, launchctl.RUNS_ALREADY, launchctl.DISABLED)
            if not passing or seconds is None:
                raise launchctl.failed("bootstrap", answer, self._machine.session)
            if answer.code == launchctl.DISABLED:
                self._call("enable", self._target)
            self._machine.pause(seconds)

    def _require_definition(self) -> None:
        self._refuse_root()
        if self.definition.standing() == "missing":
            raise AgentFailed("no agent is installed", remedy="`iaipctl install`", kept=True)

    def _refuse_root(self) -> None:
        refuse_root(self._machine.session)
        if self._machine.session.uid == 0:
            raise AgentFailed(
                "root has no graphical session for an agent; nothing was changed",
                remedy="log in as the person whose notes these are, and run it there",
                kept=True,
            )

    def _call(self, verb: str, *arguments: str, timeout: float = 20.0) -> Answer:
        return self._machine.call("launchctl", verb, *arguments, timeout=timeout)


def plist(home: Home, logs: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """launchd.plist(5). Standard and not Background: every worker would inherit efficiency cores and slow disks."""
    return {
        "Label": LABEL,
        "ProgramArguments": [str(home.agent_program), "--home", str(home.root), "--supervised", "launchd"],
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},  # an exit with 0 means: stay down
        "ThrottleInterval": 30,  # a daemon that ran for longer than that is started again at once
        "ExitTimeOut": SECONDS_TO_STOP,  # left out it is 5 seconds, too few for a checkpoint
        "ProcessType": "Standard",
        "LowPriorityBackgroundIO": True,
        "AbandonProcessGroup": False,
        "LimitLoadToSessionType": ["Aqua"],
        "Umask": 0o077,
        "WorkingDirectory": str(home.root),
        "SoftResourceLimits": {"NumberOfFiles": 4096},
        "MaterializeDatalessFiles": False,  # reading a note must not fetch it from iCloud
        "EnvironmentVariables": dict(environment),
        "StandardOutPath": str(logs / "launchd.out.log"),
        "StandardErrorPath": str(logs / "launchd.err.log"),
    }
