"""python -m tests.fakes.macos STATE TOOL ARGUMENTS: every fake tool is this one program."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.fakes.macos import minder
from tests.fakes.macos.state import State
from tests.fakes.macos.tools import answered


def main() -> int:
    state, tool, *words = State(Path(sys.argv[1])), *sys.argv[2:]
    if tool == "mind":
        minder.mind(state, *words)
        return 0
    code, out, err = answered(state, tool, words)
    sys.stdout.write(out)
    sys.stderr.write(err)
    return code


if __name__ == "__main__":
    sys.exit(main())
