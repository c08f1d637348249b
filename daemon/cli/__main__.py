"""iaipctl: the handles on iaipd and its releases."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import NoReturn

from config.load import ConfigurationError
from config.paths import Home, default_home
from daemon.cli.result import DONE, FAILED, NOT_FOUND, REFUSED, USAGE, complain, show
from daemon.cli.root import Context
from jobs.domain.errors import IaipError, Refused
from launchd.agent import AgentFailed

COMMANDS = {
    "init": "set up a home and take your QMD configuration and index in as release v0",
    "install": "have the system start the daemon, now and at every login",
    "uninstall": "remove that again and give your QMD files back as plain files; --purge removes the home too",
    "start": "start the installed daemon; also after it gave up",
    "stop": "stop the installed daemon in order, until the next login or `iaipctl start`",
    "restart": "restart the installed daemon, also into a new version; back to the former one if that is not well",
    "doctor": "check everything the product stands on, each with the next step",
    "status": "is it well, what runs, what is live, is it better than before",
    "run": "start a run of a target now",
    "wait": "wait until a run has ended",
    "queue": "list jobs; cancel, retry, pause or resume one",
    "verdict": "how the last candidate compared, per query set",
    "releases": "list the releases; pin or unpin one",
    "consent": "what your notes are, who allows what, and what is out and why",
    "rollback": "go back to the release before, or to any other; works with the daemon down",
    "gc": "clear away what no rule keeps, or say what would go",
    "ledger": "list the ledger's copies; put one back",
    "alerts": "what happened since you last looked; say that you have read it",
    "logs": "the daemon's log, or one job's; -f follows it",
    "config": "the settings and where each comes from; check them; their schema",
    "why": "what decided about a job, a run or a release",
    "ui": "open the page: what runs, the curves, the verdicts, the releases",
    "models": "list base models; fetch one (the only command that uses the network)",
}


def main(arguments: list[str] | None = None) -> int:
    """A reader that has seen enough (`| head`) is no error, wherever the pipe breaks."""
    try:
        code = _code(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    return code


def _code(given: list[str]) -> int:
    as_json = "--json" in given
    try:
        parser, named = _parser(given)
        options = parser.parse_args(given)
        if named is None:
            parser.print_help(sys.stderr)
            return USAGE
        home = Path(options.home).expanduser().absolute() if options.home else default_home(os.environ)
        module = importlib.import_module(f"daemon.cli.{named}")
        return show(module.run(options, Context(Home(root=home))), as_json=options.json)
    except _Misused as mistake:
        return complain(str(mistake), mistake.remedy, USAGE, as_json=as_json)
    except (IaipError, ConfigurationError, AgentFailed, KeyError) as error:
        return complain(*_explained(error), as_json=as_json)
    except SystemExit as ended:  # argparse after --help
        return int(ended.code or 0)
    except KeyboardInterrupt:
        print("iaipctl: stopped watching; the daemon goes on", file=sys.stderr)
        return 130


class _Misused(Exception):
    """The words typed are no command."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class _Parser(argparse.ArgumentParser):
    """Raises for what it does not understand, so that one place prints."""

    def error(self, message: str) -> NoReturn:
        raise _Misused(message, f"`{self.prog} --help`")


def _explained(error: IaipError | ConfigurationError | AgentFailed | KeyError) -> tuple[str, str, int]:
    """What to tell a person, the next step, and the exit code."""
    match error:
        case AgentFailed():
            return error.message, error.remedy, REFUSED if error.kept else FAILED
        case IaipError():
            return error.message, error.remedy, REFUSED if isinstance(error, Refused) else FAILED
        case ConfigurationError():
            return str(error), "`iaipctl config check`", FAILED
        case _:
            return f"there is no {error.args[0]}", "`iaipctl queue` lists what there is", NOT_FOUND


def _parser(given: list[str]) -> tuple[argparse.ArgumentParser, str | None]:
    """Only the named command's module is imported: the others cost nothing."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--home", metavar="DIR", default=None, help="where everything lives (or IAIP_HOME)")
    common.add_argument("--json", action="store_true", help="a versioned JSON document on stdout")
    parser = _Parser(
        prog="iaipctl",
        description="Your notes change; your own machine trains your search; it goes live only if it got better.",
        parents=[common],
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    named = next((word for word in given if word in COMMANDS), None)
    for name, text in COMMANDS.items():
        command = commands.add_parser(
            name, help=text, description=text, parents=[_without_defaults()], conflict_handler="resolve"
        )
        if name == named:
            importlib.import_module(f"daemon.cli.{name}").add_arguments(command)
    return parser, named


def _without_defaults() -> _Parser:
    """The common options after the command as well; not given there, they keep what was given before it."""
    copy = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    copy.add_argument("--home", metavar="DIR", help="where everything lives (or IAIP_HOME)")
    copy.add_argument("--json", action="store_true", help="a versioned JSON document on stdout")
    return copy


if __name__ == "__main__":
    sys.exit(main())
