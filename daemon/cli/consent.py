"""iaipctl consent …: what the notes are, who allows what, and what is out and why. One file a sub-command."""

from __future__ import annotations

import argparse
from types import ModuleType

from daemon.cli import (
    consent_classify,
    consent_coverage,
    consent_export,
    consent_grant,
    consent_import,
    consent_labels,
    consent_report,
    consent_verify,
)
from daemon.cli.result import USAGE, Result
from daemon.cli.root import Context
from daemon.cli.subcommands import add_subcommands

COMMANDS: dict[str, tuple[ModuleType, str]] = {
    "coverage": (consent_coverage, "what is in, what is out and why"),
    "classify": (consent_classify, "say what a folder is; without one, go through what nobody classified yet"),
    "grant": (consent_grant, "write down a consent and take it in; --person me is your own"),
    "import": (consent_import, "take in records and the policy as they were changed by hand"),
    "verify": (consent_verify, "check the log of all changes; works offline and on a copy"),
    "labels": (consent_labels, "take in the TK and BC labels of a Local Contexts project"),
    "report": (consent_report, "what was used, by whom it was allowed, what is live; English or French"),
    "export": (consent_export, "everything about one holder's material, in open formats"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_subcommands(parser, COMMANDS, "consent_command")


def run(options: argparse.Namespace, context: Context) -> Result:
    if options.consent_command is None:
        talk = "say which: " + ", ".join(f"`iaipctl consent {name}`" for name in COMMANDS)
        return Result(schema="iaip.consent/1", data={}, text="", talk=talk, code=USAGE)
    found: Result = COMMANDS[options.consent_command][0].run(options, context)
    return found
