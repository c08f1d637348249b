"""Best effort to the desktop. The ledger's outbox is where an alert really lives.

A sink that is missing or silent is no error: Notification Center may drop anything without a word,
so delivery is "attempted" and never "shown".
"""

from __future__ import annotations

import html
import shutil
import subprocess
import sys
import unicodedata

from daemon.system.notices import notice, owners_language

TIMEOUT_SECONDS = 10
LONGEST_TEXT = 180
MISREAD_FIRST = "-[({<\"'@"
"""terminal-notifier takes a leading dash for an option and brackets for a property list; osascript the dash."""

_APPLESCRIPT = (
    "on run argv",
    "display notification (item 2 of argv) with title (item 1 of argv)",
    "end run",
)


def notify(kind: str, about: str, *, page: str | None = None) -> None:
    """Hands the notice to the first sink that takes it: pync, osascript, notify-send. Text travels as argv only.

    ``page``: the address of the page while it runs; a click opens it where the sink can.
    """
    title, body = notice(kind, about, owners_language())
    if sys.platform == "darwin":
        _by_pync(title, body, page) or _run(applescript("/usr/bin/osascript", title, body))
    elif sender := shutil.which("notify-send"):
        _run(notify_send(sender, title, body))


def applescript(osascript: str, title: str, body: str) -> list[str]:
    """A constant script; the text is its arguments and never its source."""
    lines = [word for line in _APPLESCRIPT for word in ("-e", line)]
    return [osascript, *lines, harmless(title), harmless(body)]


def notify_send(sender: str, title: str, body: str) -> list[str]:
    """The body is markup by the desktop notification specification, the title is not."""
    return [sender, "--app-name=iaip", "--", harmless(title), html.escape(harmless(body), quote=False)]


def harmless(text: str) -> str:
    """One line of printable text that no notifier can take for anything else, LONGEST_TEXT characters at most."""
    visible = "".join(c if unicodedata.category(c)[0] not in "CZ" else _blank(c) for c in text)
    line = " ".join(visible.split())
    if line[:1] in set(MISREAD_FIRST):
        line = f"· {line}"
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 1].rstrip() + "…"


def _blank(character: str) -> str:
    """Format characters (they may turn the writing direction) vanish; every other unprintable one is a blank."""
    return "" if unicodedata.category(character) == "Cf" else " "


def _by_pync(title: str, body: str, page: str | None) -> bool:
    """pync's bundled notifier is x86_64 only; it is of use when a terminal-notifier is on PATH."""
    if shutil.which("terminal-notifier") is None:
        return False
    import pync

    try:
        pync.notify(harmless(body), title=harmless(title), **({} if page is None else {"open": page}))
    except Exception:  # noqa: BLE001 - pync raises bare Exception for every failure; the next sink is tried
        return False
    return True


def _run(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=TIMEOUT_SECONDS, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
