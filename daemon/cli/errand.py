"""One command carried out, and whatever it may meet told to a person: what happened, the next step, the exit code."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from config.load import ConfigurationError
from config.paths import Home, default_home
from daemon.cli import root
from daemon.cli.grammar import module_of
from daemon.cli.result import FAILED, INTERRUPTED, NOT_FOUND, REFUSED, complain, show
from jobs.domain.errors import IaipError, NotFound, Refused
from launchd.agent import AgentFailed

WATCHING = ("logs", "run", "wait")
"""Commands that only look on while the daemon works."""


def carry_out(command: str, options: argparse.Namespace) -> int:
    """The exit code."""
    home = Path(options.home).expanduser().absolute() if options.home else default_home(os.environ)
    try:
        return show(module_of(command).run(options, root.Context(Home(root=home))), as_json=options.json)
    except (IaipError, ConfigurationError, AgentFailed, KeyError, PermissionError) as error:
        return complain(*_explained(error), as_json=options.json)
    except KeyboardInterrupt:
        print(f"iaipctl: {_interrupted(command)}", file=sys.stderr)
        return INTERRUPTED


def _code(error: IaipError) -> int:
    match error:
        case Refused():
            return REFUSED
        case NotFound():
            return NOT_FOUND
        case _:
            return FAILED


def _interrupted(command: str) -> str:
    if command in WATCHING:
        return "stopped watching; the daemon goes on"
    return f"`{command}` was interrupted; `iaipctl status` shows how things are"


def _explained(
    error: IaipError | ConfigurationError | AgentFailed | KeyError | PermissionError,
) -> tuple[str, str, int]:
    match error:
        case AgentFailed():
            return error.message, error.remedy, REFUSED if error.kept else FAILED
        case IaipError():
            return error.message, error.remedy, _code(error)
        case ConfigurationError():
            return str(error), "`iaipctl config check`", FAILED
        case PermissionError():
            return f"{error.filename} may not be read or written by you", "`iaipctl doctor permissions`", FAILED
        case _:
            return f"there is no {error.args[0]}", "`iaipctl queue` lists what there is", NOT_FOUND
