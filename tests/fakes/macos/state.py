"""The fake machine's memory: one JSON file under a lock, and a clock that tests push forward.

Every fake tool is a short process; what they share is here. ``clock`` is added to the real clock, so that
"five seconds later" costs a test nothing.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FRESH: dict[str, Any] = {
    "clock": 0.0,
    "uid": 501,
    "user_home": "",
    "macos": "26.1",
    "gui": True,  # a graphical session exists
    "login_items": 0,  # the exit code of bootstrap while Login Items has the agent switched off
    "busy": 5.0,  # seconds that a label stays after bootout
    "busy_after": 0.0,  # seconds of code 5 after it went
    "disabled": {},  # launchd's overrides: they outlive everything
    "services": {},
    "freed": {},  # label → when it was let go
    "quarantined": [],  # files with com.apple.quarantine
    "bus": True,  # a systemd user manager exists
    "units": {},
    "notified": [],  # words of sd_notify
    "scripted": {},  # "tool verb" → a list of [code, stdout, stderr] to give first
    "readings": {},  # see readings.py
    "keychain": {},  # item → secret
    "keychain_locked": False,
    "over": False,
}


class State:
    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        """The state, exclusively; what the block changed is kept."""
        with self.path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            values: dict[str, Any] = json.loads(self.path.read_text("utf-8"))
            yield values
            stage = self.path.with_suffix(".new")
            stage.write_text(json.dumps(values), "utf-8")
            stage.replace(self.path)

    def read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.path.read_text("utf-8"))
        return found

    def log(self, words: list[str]) -> None:
        with self.path.with_suffix(".jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"at": now(self.read()), "argv": words}) + "\n")


def now(values: dict[str, Any]) -> float:
    clock: float = values["clock"]
    return time.monotonic() + clock
