"""The part of launchd and of systemd that stays: it starts the real program, waits for it, and starts it again.

One process a service or unit. It ends when the service is gone, when the test is over, or after LONGEST
real seconds whatever happens, and takes its program with it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from tests.fakes.macos.state import State, now

PROJECT = Path(__file__).resolve().parents[3]
POLL_SECONDS = 0.02
LONGEST = 300.0
BUDGET, BUDGET_SECONDS = 5, 600.0  # StartLimitBurst, StartLimitIntervalSec


def register(values: dict[str, Any], path: str, plist: dict[str, Any]) -> None:
    values["services"][plist["Label"]] = {
        "path": path,
        "plist": plist,
        "pid": 0,
        "state": "spawning",
        "runs": 0,
        "last_exit": None,
        "leaves_at": None,
        "killed_at": None,
        "kicked": False,
    }


def start(state: State, kind: str, name: str) -> None:
    """Starts the minder and leaves it alone."""
    with Path(os.devnull).open("r+b") as nothing:
        subprocess.Popen(
            [sys.executable, "-S", "-m", "tests.fakes.macos", str(state.path), "mind", kind, name],
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            start_new_session=True,
        )


def mind(state: State, kind: str, name: str) -> None:
    {"service": mind_service, "unit": mind_unit}[kind](state, name)


def over(values: dict[str, Any], began: float) -> bool:
    return bool(values["over"]) or time.monotonic() - began > LONGEST


def mind_service(state: State, label: str) -> None:
    """KeepAlive/SuccessfulExit=false: 0 stays down, anything else comes again after ThrottleInterval."""
    began = time.monotonic()
    while True:
        with state.change() as values:
            service = values["services"][label]
            if service["leaves_at"] is not None:  # taken out again before it ever ran
                break
            started = now(values)
            child = _spawned(service["plist"])
            service.update(pid=child.pid, state="running", runs=service["runs"] + 1, kicked=False)
        code = _until_ended(state, label, child, began)
        with state.change() as values:
            service = values["services"][label]
            leaving = service["leaves_at"] is not None
            again = code != 0 and not leaving
            service.update(pid=0, last_exit=code)
            if not leaving:
                service["state"] = "spawn scheduled" if again else "not running"
            throttle = started + service["plist"].get("ThrottleInterval", 10)
        if not _until_due(state, label, throttle if again else None, began):
            return
    _until_due(state, label, None, began)


def _spawned(plist: dict[str, Any]) -> subprocess.Popen[bytes]:
    with Path(plist["StandardOutPath"]).open("ab") as out, Path(plist["StandardErrorPath"]).open("ab") as err:
        return subprocess.Popen(
            plist["ProgramArguments"],
            env=plist["EnvironmentVariables"],
            cwd=plist["WorkingDirectory"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            umask=plist["Umask"],
            start_new_session=True,
        )


def _until_ended(state: State, label: str, child: subprocess.Popen[bytes], began: float) -> int:
    while child.poll() is None:
        values = state.read()
        killed_at = values["services"][label]["killed_at"]
        if over(values, began) or (killed_at is not None and now(values) > killed_at):
            _kill(child)
        time.sleep(POLL_SECONDS)
    return child.returncode


def _until_due(state: State, label: str, due: float | None, began: float) -> bool:
    """True when the program is to be started again; false, with the label let go, when the service is gone."""
    while True:
        with state.change() as values:
            service = values["services"][label]
            if over(values, began):
                return False
            if service["leaves_at"] is not None and now(values) >= service["leaves_at"]:
                del values["services"][label]
                values["freed"][label] = now(values)
                return False
            if service["leaves_at"] is None and (service["kicked"] or (due is not None and now(values) >= due)):
                return True
        time.sleep(POLL_SECONDS)


def mind_unit(state: State, name: str) -> None:
    """Type=notify, TimeoutStartSec, WatchdogSec, Restart=on-failure, RestartPreventExitStatus=78, RestartSec=5,
    StartLimitBurst=5."""
    began = time.monotonic()
    with ExitStack() as stack:
        ears = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        address = Path(tempfile.gettempdir()) / f"iaip-fake-notify-{os.getpid()}"  # a test's own folder may be too long
        ears.bind(str(address))
        ears.settimeout(POLL_SECONDS)
        stack.callback(lambda: address.unlink(missing_ok=True))
        while True:
            if not _within_limit(state, name):
                return
            code, ready = _one_life(state, name, ears, address, began)
            with state.change() as values:
                unit = values["units"][name]
                if unit["stopping"] or over(values, began):
                    unit.update(active="inactive", sub="dead", result="success", pid=0)
                    return
                if code in (0, 78) and (ready or code == 78):
                    ended = ("inactive", "dead", "success") if code == 0 else ("failed", "failed", "exit-code")
                    unit.update(active=ended[0], sub=ended[1], result=ended[2], pid=0)
                    return
                unit.update(active="activating", sub="auto-restart", result="exit-code", pid=0)
                due = now(values) + 5.0
            while not over(state.read(), began) and now(state.read()) < due:
                if state.read()["units"][name]["stopping"]:
                    break
                time.sleep(POLL_SECONDS)


def _within_limit(state: State, name: str) -> bool:
    with state.change() as values:
        unit = values["units"][name]
        unit["starts"] = [at for at in unit["starts"] if now(values) - at < BUDGET_SECONDS]
        if len(unit["starts"]) >= BUDGET:
            unit.update(active="failed", sub="failed", result="start-limit-hit", pid=0)
            return False
        unit["starts"].append(now(values))
        unit.update(active="activating", sub="start")
        return True


def _one_life(state: State, name: str, ears: socket.socket, address: Path, began: float) -> tuple[int, bool]:
    """The program from its start to its end: its code, and whether it ever said READY=1."""
    with state.change() as values:
        unit = values["units"][name]
        child = subprocess.Popen(
            unit["command"],
            env={**unit["environment"], "NOTIFY_SOCKET": str(address)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        unit["pid"] = child.pid
        ready, heard_at = False, now(values)
    while child.poll() is None:
        with suppress(TimeoutError):
            word = ears.recv(4096).decode()
            with state.change() as values:
                heard_at = now(values)
                values["notified"].append(word)
                if word == "READY=1":
                    ready = True
                    values["units"][name].update(active="active", sub="running")
        values = state.read()
        if values["units"][name]["stopping"] and not values["units"][name]["told"]:
            child.send_signal(signal.SIGTERM)
            with state.change() as changed:
                changed["units"][name]["told"] = True
        limit = values["units"][name]["watchdog" if ready else "patience"]
        if over(values, began) or now(values) - heard_at > limit:
            _kill(child)
    return child.returncode, ready


def _kill(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
