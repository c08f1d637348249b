"""make test: every test once, in three lanes side by side, because many wait for a daemon and few for the processor.

What needs no ML package is tested in an environment that has none. A step's output is printed when it ends. Ends with
0 if all of them passed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
WITHOUT_ML, WITH_ML = str(PROJECT / ".venv-light" / "bin" / "python"), sys.executable
LIGHT, HEAVY = ("-m", "not ml and not slow"), ("-m", "ml or slow")
LANES = (
    (
        (WITHOUT_ML, "tests/flow", *LIGHT),
        (WITH_ML, "tests/flow", *HEAVY, "--ignore=tests/flow/test_loop.py"),
    ),
    (
        (WITH_ML, "tests/contracts", "tests/crash"),
        (WITH_ML, "tests/unit", *HEAVY),
    ),
    (
        (WITHOUT_ML, "tests/unit", *LIGHT),
        (WITH_ML, "tests/ag816", "tests/web", "tests/flow/test_loop.py"),
    ),
)


def main() -> int:
    argparse.ArgumentParser(prog="python -m tests.side_by_side", description=__doc__).parse_args()
    steps = sum(map(len, LANES))
    print(f"{steps} groups of tests in {len(LANES)} lanes side by side; each is told of when it ends", flush=True)
    with ThreadPoolExecutor(len(LANES)) as lanes:
        return max(lanes.map(_run, LANES))


def _run(lane: tuple[tuple[str, ...], ...]) -> int:
    """Its steps one after the other, whatever becomes of each."""
    return max(_tell(python, *words) for python, *words in lane)


def _tell(python: str, *words: str) -> int:
    command = [python, "-m", "pytest", *words]
    done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    print(done.stdout.decode("utf-8", "replace"), flush=True)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
