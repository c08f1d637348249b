"""Best effort to the desktop. The ledger's outbox is where an alert really lives.

A sink that is missing or silent is no error: Notification Center may drop anything without a word,
so delivery is "attempted" and never "shown".
"""

from __future__ import annotations

import shutil
import subprocess
import sys

TIMEOUT_SECONDS = 10


def notify(title: str, body: str) -> None:
    """Hands the alert to the first sink that takes it: pync, osascript, notify-send. Text travels as argv only."""
    if sys.platform == "darwin":
        _by_pync(title, body) or _run(["/usr/bin/osascript", *_APPLESCRIPT, title, body])
    elif sender := shutil.which("notify-send"):
        _run([sender, "--app-name=iaip", "--", title, body])


_APPLESCRIPT = (
    "-e",
    "on run argv",
    "-e",
    "display notification (item 2 of argv) with title (item 1 of argv)",
    "-e",
    "end run",
)


def _by_pync(title: str, body: str) -> bool:
    """pync's bundled notifier is x86_64 only; it is of use when a terminal-notifier is on PATH."""
    if shutil.which("terminal-notifier") is None:
        return False
    import pync

    try:
        pync.notify(body, title=title)
    except Exception:  # noqa: BLE001 - pync raises bare Exception for every failure; the next sink is tried
        return False
    return True


def _run(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=TIMEOUT_SECONDS, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
