"""The daemon, its workers deaf: they read their job, ignore every order and SIGTERM, and never end.

python -m tests.fakes.deaf_daemon
"""

from __future__ import annotations

import sys
from functools import partial

from daemon import app
from daemon.__main__ import main
from daemon.runner import run_worker

DEAF = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    'sys.stdin.buffer.readline(); print(\'{"type":"phase","text":"deaf"}\', flush=True); time.sleep(600)'
)

if __name__ == "__main__":
    vars(app)["run_worker"] = partial(run_worker, command=(sys.executable, "-c", DEAF))
    sys.exit(main())
