"""systemctl --user and its manager, for machines that have none: unit files are read, programs really run."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from tests.fakes.macos import minder
from tests.fakes.macos.state import State

Answer = tuple[int, str, str]
PATIENCE = 60.0


def answer(state: State, words: list[str]) -> Answer:
    user, verb, *rest = [word for word in words if word != "--no-block"]
    if user != "--user" or not state.read()["bus"]:
        return 1, "", "Failed to connect to bus: No medium found\n"
    if verb in ("daemon-reload", "reset-failed"):
        return _reset(state, rest) if verb == "reset-failed" else (0, "", "")
    name = rest[0]
    if verb == "show":
        return _show(state, name)
    if not _file(state, name).exists():
        return 5, "", f"Failed to {verb} {name}: Unit {name} not found.\n"
    if verb in ("enable", "disable"):
        with state.change() as values:
            _unit(values, name)["enabled"] = verb == "enable"
        return 0, "", ""
    if verb == "stop":
        _stop(state, name)
    return _start(state, name) if verb == "start" else (0, "", "")


def _file(state: State, name: str) -> Path:
    return Path(state.read()["user_home"]) / ".config" / "systemd" / "user" / name


def _unit(values: dict[str, Any], name: str) -> dict[str, Any]:
    fresh = {"enabled": False, "active": "inactive", "sub": "dead", "result": "success", "pid": 0, "starts": []}
    found: dict[str, Any] = values["units"].setdefault(name, {**fresh, "stopping": False, "told": False})
    return found


def _reset(state: State, rest: list[str]) -> Answer:
    with state.change() as values:
        unit = _unit(values, rest[0])
        unit["starts"] = []
        if unit["active"] == "failed":
            unit.update(active="inactive", sub="dead", result="success")
    return 0, "", ""


def _show(state: State, name: str) -> Answer:
    with state.change() as values:
        unit = _unit(values, name)
    loaded = "loaded" if _file(state, name).exists() else "not-found"
    enabled = "" if loaded == "not-found" else "enabled" if unit["enabled"] else "disabled"
    return (
        0,
        f"LoadState={loaded}\nActiveState={unit['active']}\nSubState={unit['sub']}\n"
        f"Result={unit['result']}\nUnitFileState={enabled}\n",
        "",
    )


def _start(state: State, name: str) -> Answer:
    """As with --no-block: whether the program ever gets ready is not waited for."""
    text = _file(state, name).read_text("utf-8")
    with state.change() as values:
        unit = _unit(values, name)
        if unit["active"] in ("active", "activating"):
            return 0, "", ""
        command = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)
        assert command is not None
        pairs = [unquoted(line)[0].split("=", 1) for line in re.findall(r"^Environment=(.*)$", text, re.MULTILINE)]
        words = [word.replace("$$", "$") for word in unquoted(command[1])]
        unit.update(watchdog=_seconds(text, "WatchdogSec"), patience=_seconds(text, "TimeoutStartSec"))
        unit.update(command=words, environment=dict(pairs), stopping=False, told=False, active="activating")
    minder.start(state, "unit", name)
    return 0, "", ""


def _seconds(text: str, name: str) -> float:
    found = re.search(rf"^{name}=(\d+)$", text, re.MULTILINE)
    return float(found[1]) if found else float("inf")


def _stop(state: State, name: str) -> None:
    with state.change() as values:
        _unit(values, name)["stopping"] = True
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and state.read()["units"][name]["active"] not in ("inactive", "failed"):
        time.sleep(minder.POLL_SECONDS)


def unquoted(line: str) -> list[str]:
    """Quoted words of a unit file, unescaped, with %% for a per cent sign."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"', line)
    return [re.sub(r"\\(.)", r"\1", word).replace("%%", "%") for word in found]
