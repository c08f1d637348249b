"""Confines itself, lets the canary try every way out, sends its receipt, and becomes the worker.

    python -m jobs.confine HOW PORT FOLDER PROGRAM [ARGUMENT ...]

A process of its own, because on Linux only one that has a single thread can be confined. ``HOW`` is
``sandbox-exec`` where the parent has put it into that, else ``itself``. ``PORT`` and ``FOLDER`` are those of the
parent's listeners. Nothing heavy is imported here and nothing of the job is known: the parent withholds it until
it has read the receipt.
"""

from __future__ import annotations

import os
import sys

from jobs.adapters.linux_walls import confine
from jobs.domain.confinement import Receipt, Rung
from jobs.probes import try_every_way
from jobs.wire import encode


def main() -> None:
    how, port, folder, *command = sys.argv[1:]
    rung: Rung = "sandbox-exec" if how == "sandbox-exec" else confine() if sys.platform == "linux" else "none"
    receipt = Receipt(rung=rung, probes=try_every_way(int(port), folder))
    sys.stdout.buffer.write(encode(receipt))
    sys.stdout.buffer.flush()
    os.execv(command[0], command)  # noqa: S606 - the worker takes the place of this process


if __name__ == "__main__":
    main()
