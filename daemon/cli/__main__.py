"""iaipctl: the handles on iaipd and its releases. For its help nothing else is imported: it comes at once."""

from __future__ import annotations

import os
import sys

from daemon.cli.grammar import Misused, named_in, parser_of

DONE, USAGE = 0, 2


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
    try:
        named = named_in(given)
        parser = parser_of((named,) if named else ())
        options = parser.parse_args(given)
    except Misused as mistake:
        from daemon.cli.result import complain

        return complain(str(mistake), mistake.remedy, USAGE, as_json="--json" in given)
    except SystemExit as ended:  # argparse after --help
        return int(ended.code or 0)
    if named is None:
        parser.print_help(sys.stderr)
        return USAGE
    from daemon.cli.errand import carry_out

    return carry_out(named, options)


if __name__ == "__main__":
    sys.exit(main())
