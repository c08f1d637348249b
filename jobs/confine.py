"""Confines itself, lets the canary try every way out, sends its receipt, and becomes the worker.

    python -m jobs.confine HOW PORT FOLDER [PLACE ...] -- PROGRAM [ARGUMENT ...]

A process of its own, because on Linux only one that has a single thread can be confined. ``HOW`` is
``sandbox-exec`` where the parent has put it into that, else ``itself``. ``PORT`` and ``FOLDER`` are those of the
parent's listeners; each ``PLACE`` is a folder in which the process may write. Nothing heavy is imported here and
nothing of the job is known: the parent withholds it until it has read the receipt.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from jobs.adapters.linux_walls import confine
from jobs.domain.confinement import FileWalls, Receipt, Rung
from jobs.probes import try_every_way
from jobs.wire import encode


def main() -> None:
    how, port, folder, *others = sys.argv[1:]
    places, command = others[: others.index("--")], others[others.index("--") + 1 :]
    rung, files = _confined(how, places)
    receipt = Receipt(rung=rung, files=files, probes=try_every_way(int(port), folder))
    sys.stdout.buffer.write(encode(receipt))
    sys.stdout.buffer.flush()
    os.execv(command[0], command)  # noqa: S606 - the worker takes the place of this process


def _confined(how: str, places: Sequence[str]) -> tuple[Rung, FileWalls]:
    if how == "sandbox-exec":
        return "sandbox-exec", "sandbox-exec"
    return confine(map(Path, places)) if sys.platform == "linux" else ("none", "none")


if __name__ == "__main__":
    main()
