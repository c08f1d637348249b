"""make test and make light-test: in groups side by side, because many wait for a daemon and few for the processor.

A group's output is printed when it ends. Ends with 0 if all of them passed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

# The whole loop trains: it comes last, when the trainers' own contracts are through.
GROUPS = (
    ("tests/flow", "--ignore=tests/flow/test_loop.py"),
    ("tests/contracts", "tests/crash"),
    ("tests/ag816", "tests/unit", "tests/web", "tests/flow/test_loop.py"),
)
LIGHT = tuple(
    (*group, "-m", "not ml and not slow")
    for group in (
        ("tests/flow", "--ignore-glob=*/test_[a-d]*"),
        ("tests/flow", "--ignore-glob=*/test_[e-z]*"),
        ("tests/unit",),
    )
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.side_by_side", description=__doc__)
    parser.add_argument("--light", action="store_true", help="only what needs no ML package")
    groups = LIGHT if parser.parse_args().light else GROUPS
    print(f"{len(groups)} groups of tests side by side; each is told of when it ends", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        running = [_start(group, Path(folder) / str(number)) for number, group in enumerate(groups)]
        codes = []
        try:
            while running:
                ended = next((one for one in running if one[0].poll() is not None), None)
                if ended is None:
                    time.sleep(0.2)
                    continue
                running.remove(ended)
                codes.append(_tell(*ended))
        finally:
            for process, _ in running:
                process.terminate()
    return max(codes)


def _start(group: tuple[str, ...], told: Path) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    output = told.open("w+b")
    return subprocess.Popen([sys.executable, "-m", "pytest", *group], stdout=output, stderr=output), output


def _tell(process: subprocess.Popen[bytes], output: IO[bytes]) -> int:
    output.seek(0)
    print(output.read().decode("utf-8", "replace"), flush=True)
    output.close()
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
