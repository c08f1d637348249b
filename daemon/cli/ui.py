"""iaipctl ui: a link to the page, for one use; opened in the browser where there is a desktop."""

from __future__ import annotations

import argparse
import os
import sys
import webbrowser
from collections.abc import Mapping

from daemon.cli.result import FAILED, NOT_RUNNING, REFUSED, Result
from daemon.cli.root import Context

SCHEMA = "iaip.ui/1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--open",
        action=argparse.BooleanOptionalAction,
        help="open it in the browser, or don't (default: on a desktop, when typed in a terminal)",
    )


def run(options: argparse.Namespace, context: Context) -> Result:
    _ = context.books  # raises before `iaipctl init`, which is the better advice then
    if context.daemon_pid() is None:
        talk = "The page is the daemon's, and the daemon is not running. Next: `iaipctl start`, then `iaipctl ui`"
        return Result(schema=SCHEMA, data={"url": None}, text="", talk=talk, code=NOT_RUNNING)
    answer = context.ask("ui", {})
    if answer is None:
        talk = "The daemon did not answer in time. Next: `iaipctl ui` again, or read logs/iaipd.log"
        return Result(schema=SCHEMA, data={"url": None}, text="", talk=talk, code=FAILED)
    if "refused" in answer:
        talk = f"{answer['refused']}. Next: {answer.get('remedy', '`iaipctl status`')}"
        return Result(schema=SCHEMA, data=answer, text="", talk=talk, code=REFUSED)
    wanted = options.open if options.open is not None else sys.stdout.isatty() and on_a_desktop(os.environ)
    opened = wanted and webbrowser.open(answer["url"])
    talk = "Opened in your browser." if opened else f"Open it within {answer['seconds']} seconds; it works once."
    return Result(schema=SCHEMA, data={**answer, "opened": opened}, text=answer["url"], talk=talk)


def on_a_desktop(environment: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Whether a browser would appear in front of whoever typed the command."""
    if "SSH_CONNECTION" in environment:
        return False
    return platform == "darwin" or bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))
