"""iaipctl: the handles on iaipd and its releases."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from config.load import ConfigurationError
from config.paths import Home, default_home
from daemon.cli.grammar import Misused, named_in, parser_of
from daemon.cli.result import DONE, FAILED, NOT_FOUND, REFUSED, USAGE, complain, show
from jobs.domain.errors import IaipError, Refused
from launchd.agent import AgentFailed


def main(arguments: list[str] | None = None) -> int:
    """A reader that has seen enough (`| head`) is no error, wherever the pipe breaks."""
    os.umask(0o077)  # whatever a command writes is its owner's alone
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
        named = named_in(given)
        parser = parser_of((named,) if named else ())
        options = parser.parse_args(given)
        if named is None:
            parser.print_help(sys.stderr)
            return USAGE
        home = Path(options.home).expanduser().absolute() if options.home else default_home(os.environ)
        from daemon.cli.root import Context  # not for --help

        module = importlib.import_module(f"daemon.cli.{named}")
        return show(module.run(options, Context(Home(root=home))), as_json=options.json)
    except Misused as mistake:
        return complain(str(mistake), mistake.remedy, USAGE, as_json=as_json)
    except (IaipError, ConfigurationError, AgentFailed, KeyError) as error:
        return complain(*_explained(error), as_json=as_json)
    except SystemExit as ended:  # argparse after --help
        return int(ended.code or 0)
    except KeyboardInterrupt:
        print("iaipctl: stopped watching; the daemon goes on", file=sys.stderr)
        return 130


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


if __name__ == "__main__":
    sys.exit(main())
