"""Best effort to the desktop. The ledger's outbox is where an alert really lives.

A sink that is missing or silent is no error: Notification Center may drop anything without a word,
so delivery is "attempted" and never "shown".
"""

from __future__ import annotations

import html
import sys
import unicodedata
from collections.abc import Callable, Iterator

from daemon.system.notices import notice, owners_language
from launchd.machine import Machine

TIMEOUT_SECONDS = 10.0
LONGEST_TEXT = 180
MISREAD_FIRST = "-[({<\"'@"
"""terminal-notifier takes a leading dash for an option and brackets for a property list; osascript the dash."""

_APPLESCRIPT = (
    "on run argv",
    "display notification (item 2 of argv) with title (item 1 of argv)",
    "end run",
)


def notify(machine: Machine, kind: str, about: str, *, page: Callable[[], str | None] = lambda: None) -> None:
    """Hands the notice to the first sink that takes it: pync, osascript, notify-send. Text travels as argv only.

    ``page`` tells the page's address while it is open: asked only for a sink that can lead there at a click.
    """
    title, body = notice(kind, about, owners_language(machine))
    for command in _sinks(machine, title, body, page):
        if machine.run(command, TIMEOUT_SECONDS).code == 0:
            return


def _sinks(machine: Machine, title: str, body: str, page: Callable[[], str | None]) -> Iterator[list[str]]:
    """pync's own notifier is x86_64 only; pync is of use when a terminal-notifier is on PATH."""
    if machine.platform == "darwin":
        if machine.on_path("terminal-notifier"):
            yield by_pync(title, body, page())
        yield applescript(machine.tools.path("osascript"), title, body)
    elif sender := machine.on_path("notify-send"):
        yield notify_send(sender, title, body)


def by_pync(title: str, body: str, page: str | None) -> list[str]:
    command = [sys.executable, "-m", "daemon.system.by_pync", harmless(title), harmless(body)]
    return command if page is None else [*command, page]


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
