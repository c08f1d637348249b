"""The agent as a systemd user unit: Type=notify, a watchdog, and a limit to restarts that systemd itself keeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from config.paths import Home
from launchd.agent import SECONDS_TO_STOP, AgentFailed, AgentState, refuse_root
from launchd.definition import DefinitionFile
from launchd.machine import NOT_THERE, TIMED_OUT, Answer, Machine, WriteFile
from launchd.surroundings import agent_environment, refuse_unspeakable

UNIT = "iaip.service"
START_SECONDS = 100.0
STOP_SECONDS = SECONDS_TO_STOP + 15.0
_LINGERS = "Where installing it switched lingering on for you, it stays on: `loginctl disable-linger` ends it."


class SystemdAgent:
    """systemd's unit UNIT in the owner's user manager."""

    def __init__(self, machine: Machine, home: Home, write: WriteFile) -> None:
        self._machine = machine
        self._home = home
        chosen = machine.environment.get("XDG_CONFIG_HOME")
        configuration = Path(chosen) if chosen else machine.user_home / ".config"
        self.definition = DefinitionFile(
            configuration / "systemd" / "user" / UNIT,
            home.agent_record,
            write,
            lambda environment: unit(home, environment).encode(),
        )

    def require_ours(self) -> None:
        self.definition.require_ours(agent_environment(self._home, self._machine.environment))

    def install(self, *, force: bool) -> list[str]:
        refuse_root(self._machine.session)
        refuse_unspeakable(self._home)
        self._checked("daemon-reload")  # without a user session it ends here, with nothing changed
        self.definition.place(agent_environment(self._home, self._machine.environment), force=force)
        self._checked("daemon-reload")
        self._checked("enable", UNIT)
        if force or not self.definition.is_taken:
            self._checked("stop", UNIT, timeout=STOP_SECONDS)
        self._begin()
        self.definition.note_taken()
        if self._machine.call("loginctl", "enable-linger").code != 0:
            return [
                "It runs while you are logged in; `loginctl enable-linger`, by an administrator, makes that always."
            ]
        return []

    def uninstall(self) -> list[str]:
        refuse_root(self._machine.session)
        if self.definition.standing() == "missing":
            return []
        reachable = self._call("daemon-reload").code == 0
        if reachable:
            self.stop()
            self._checked("disable", UNIT)
        kept = self.definition.remove()
        (self.definition.path.parent / "default.target.wants" / UNIT).unlink(missing_ok=True)
        if reachable:
            self._checked("daemon-reload")
        return [*kept, _LINGERS]

    def serves(self) -> bool:
        return self.definition.names(quoted(str(self._home.agent_program)))

    def start(self) -> None:
        self._require_definition()
        self._begin()
        self.definition.note_stopped(False)

    def stop(self) -> None:
        if self.definition.standing() == "missing":
            return
        self._checked("stop", UNIT, timeout=STOP_SECONDS)
        self.definition.note_stopped(True)

    def restart(self) -> None:
        self._require_definition()
        self.definition.renew()
        self._checked("daemon-reload")
        self._checked("stop", UNIT, timeout=STOP_SECONDS)
        self._begin()
        self.definition.note_taken()
        self.definition.note_stopped(False)

    def state(self) -> AgentState:
        definition = self.definition.standing()
        answer = self._call("show", UNIT, "--property=LoadState,ActiveState,SubState,Result,UnitFileState")
        if answer.code != 0:
            problem = _failed("show", answer)
            return AgentState(
                condition="cannot tell", definition=definition, detail=problem.message, remedy=problem.remedy
            )
        if definition == "missing":
            return AgentState(condition="not installed", definition=definition, remedy="`iaipctl install`")
        shown = dict(line.split("=", 1) for line in answer.out.splitlines() if "=" in line)
        active, told = shown.get("ActiveState", ""), f"{shown.get('ActiveState')} ({shown.get('SubState')})"
        if active in ("active", "activating", "reloading", "deactivating"):
            return AgentState(condition="registered", definition=definition, detail=f"systemd says: {told}")
        if active == "failed":
            detail = f"systemd gave it up: {shown.get('Result')}"
            return AgentState(condition="failed", definition=definition, detail=detail, remedy="`iaipctl start`")
        if shown.get("UnitFileState") in ("disabled", "masked"):
            return AgentState(condition="disabled", definition=definition, remedy="`iaipctl install`")
        return AgentState(condition="stopped", definition=definition, remedy="`iaipctl start`")

    def _begin(self) -> None:
        """Asks for the start and does not wait for it: whether the daemon is well, it says itself."""
        self._call("reset-failed", UNIT)
        self._checked("start", "--no-block", UNIT)

    def _require_definition(self) -> None:
        refuse_root(self._machine.session)
        if self.definition.standing() == "missing":
            raise AgentFailed("no agent is installed", remedy="`iaipctl install`", kept=True)

    def _checked(self, verb: str, *arguments: str, timeout: float = 20.0) -> None:
        answer = self._call(verb, *arguments, timeout=timeout)
        if answer.code != 0:
            raise _failed(verb, answer)

    def _call(self, verb: str, *arguments: str, timeout: float = 20.0) -> Answer:
        return self._machine.call("systemctl", "--user", verb, *arguments, timeout=timeout)


def _failed(verb: str, answer: Answer) -> AgentFailed:
    if answer.code == TIMED_OUT:
        return AgentFailed(f"systemctl {verb} did not end in time", remedy=f"`systemctl --user status {UNIT}`")
    if answer.code == NOT_THERE:
        return AgentFailed("systemd is not on this machine", remedy="run `iaipd` under the supervisor you have")
    if "connect to bus" in answer.err or "XDG_RUNTIME_DIR" in answer.err:
        return AgentFailed(
            "you have no systemd user session here", remedy="log in directly (not by su or sudo), then try again"
        )
    return AgentFailed(
        f"systemctl {verb} ended with {answer.code}: {answer.err.strip()[-200:]}",
        remedy=f"`systemctl --user status {UNIT}` says more",
    )


def unit(home: Home, environment: Mapping[str, str]) -> str:
    """systemd.unit(5), systemd.service(5). An exit with 78 stays down; anything else that failed starts again."""
    settings = "".join(f"Environment={quoted(f'{name}={value}')}\n" for name, value in environment.items())
    command = " ".join(
        quoted(word).replace("$", "$$")
        for word in (str(home.agent_program), "--home", str(home.root), "--supervised", "systemd")
    )
    return (
        "[Unit]\n"
        "Description=iaip: search models that learn from your notes\n"
        "StartLimitIntervalSec=600\n"
        "StartLimitBurst=5\n"
        "\n"
        "[Service]\n"
        "Type=notify\n"
        f"ExecStart={command}\n"
        f"{settings}"
        "WatchdogSec=60\n"
        "Restart=on-failure\n"
        "RestartSec=5\n"  # a dead daemon's jobs wait again within ten seconds; its own crash budget ends a storm
        "RestartPreventExitStatus=78\n"
        f"TimeoutStartSec={START_SECONDS:.0f}\n"
        f"TimeoutStopSec={SECONDS_TO_STOP}\n"
        "KillMode=mixed\n"
        "UMask=0077\n"
        "NoNewPrivileges=yes\n"
        "Nice=5\n"
        "\n"
        "[Install]\n"
        "WantedBy=default.target\n"
    )


def quoted(word: str) -> str:
    """A word of a unit file: in quotes, with its own quotes and backslashes escaped and no specifier in it."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'
