"""`iaipctl status` answers at once: it loads no more than it reads with, and starts no other program.

How long it takes is measured by `make bench`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import nullcontext

import pytest

from config.paths import Home
from tests.answering import daemon_of
from tests.web.household import Household

SLOW = {
    "asyncio",
    "difflib",
    "huey",
    "importlib.resources",
    "jinja2",
    "numpy",
    "ruamel",
    "structlog",
    "tempfile",
    "torch",
    "watchdog",
    "werkzeug",
    "yaml",
}
ASK = """
import json, sys
programs = []
starting = ("subprocess.Popen", "os.posix_spawn", "os.fork")
sys.addaudithook(lambda event, what: programs.append(event) if event in starting else None)
from daemon.cli.__main__ import main
code = main(["status"])
print(json.dumps([code, sorted(sys.modules), programs]), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Household(tmp_path_factory.mktemp("quick"))
    made.settle()
    made.live_through(3, promoted=2)
    made.leave()
    return made.home


@pytest.mark.parametrize(("up", "code"), [(False, 3), (True, 0)])
def test_status_loads_little_and_starts_no_program(home: Home, up: bool, code: int) -> None:
    with daemon_of(home) if up else nullcontext():
        told = subprocess.run(
            [sys.executable, "-c", ASK],
            env={**os.environ, "IAIP_HOME": str(home.root)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    ended, modules, programs = json.loads(told.stderr.splitlines()[-1])
    assert "v2 (live)" in told.stdout and ended == code
    assert SLOW & set(modules) == set()
    assert programs == []
