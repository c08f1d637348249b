"""iaipctl completions SHELL: a script for the shell, made from the parsers themselves by shtab."""

from __future__ import annotations

import argparse

from daemon.cli.grammar import COMMANDS, parser_of
from daemon.cli.result import Result
from daemon.cli.root import Context

PLACES = {
    "bash": "~/.local/share/bash-completion/completions/iaipctl",
    "zsh": "_iaipctl in a folder of $fpath",
    "fish": "~/.config/fish/completions/iaipctl.fish",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=tuple(PLACES), help="the shell to write it for")
    parser.epilog = "For example: iaipctl completions bash > ~/.local/share/bash-completion/completions/iaipctl"


def run(options: argparse.Namespace, _: Context) -> Result:
    script = script_for(options.shell)
    return Result(
        schema="iaip.completions/1",
        data={"shell": options.shell, "script": script},
        text=script,
        verbatim=True,
        talk=f"Save it as {PLACES[options.shell]}",
    )


def script_for(shell: str) -> str:
    import shtab

    return str(shtab.complete(parser_of(COMMANDS), shell))
