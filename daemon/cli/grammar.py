"""The words that iaipctl understands. A command's own are read from its module, and only if it is asked for."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Container
from types import ModuleType
from typing import NoReturn

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
    "lineage": "what was made from a note, and what a release was made from",
    "export-bundle": "a training bundle of public notes alone, into a folder; nothing is sent",
    "withdraw": "take back a document, a consent or all of a person's: at once, for good, with a signed receipt",
    "rollback": "go back to the release before, or to any other; works with the daemon down",
    "gc": "clear away what no rule keeps, or say what would go",
    "ledger": "list the ledger's copies; put one back",
    "alerts": "what happened since you last looked; say that you have read it",
    "logs": "the daemon's log, or one job's or run's; -f follows it",
    "config": "the settings and where each comes from; check them; their schema",
    "why": "what decided about a job, a run or a release",
    "evaluation": "judge queries in the terminal: what you say decides about every model from then on",
    "support-bundle": "an archive to send with a question: what iaip is and did, without a word of your notes",
    "ui": "open the page: what runs, the curves, the verdicts, the releases",
    "completions": "a script that completes iaipctl's words in bash, zsh or fish",
    "models": "list base models; fetch one (the only command that uses the network)",
}


class Misused(Exception):
    """The words typed are no command."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class Parser(argparse.ArgumentParser):
    """Raises for what it does not understand, so that one place prints."""

    def error(self, message: str) -> NoReturn:
        raise Misused(message, f"`{self.prog} --help`")


def named_in(words: list[str]) -> str | None:
    """The command that the words name. A home may be called like one: the word after --home is none."""
    after = ["", *words]
    return next(
        (word for before, word in zip(after, words, strict=False) if word in COMMANDS and before != "--home"), None
    )


def module_of(command: str) -> ModuleType:
    """The file of a command."""
    return importlib.import_module(f"daemon.cli.{command.replace('-', '_')}")


def parser_of(whole: Container[str]) -> Parser:
    """Knows every command by name, and the ``whole`` ones with their arguments: the others cost no import."""
    parser = Parser(
        prog="iaipctl",
        allow_abbrev=False,
        description="Your notes change; your own machine trains your search; it goes live only if it got better.",
    )
    _add_shared(parser, home=None, as_json=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text, conflict_handler="resolve")
        _add_shared(command, home=argparse.SUPPRESS, as_json=argparse.SUPPRESS)
        if name in whole:
            module_of(name).add_arguments(command)
    return parser


def _add_shared(parser: Parser, *, home: str | None, as_json: bool | str) -> None:
    """Also after the command; not given there (argparse.SUPPRESS), they keep what was given before it."""
    parser.add_argument("--home", metavar="DIR", default=home, help="where everything lives (or IAIP_HOME)")
    parser.add_argument("--json", action="store_true", default=as_json, help="a versioned JSON document on stdout")
