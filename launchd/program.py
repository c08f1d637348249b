"""The program that the supervisor starts: a named script, so that Login Items shows our name and not "python".

It fixes the interpreter and the directory of the code. An upgrade in a new place writes a new script and keeps
the former one beside it until the new one proved well: going back, however late, is putting that one back.
"""

from __future__ import annotations

import re
import shlex
import sys
from importlib import resources
from pathlib import Path, PurePosixPath

import msgspec

from config.paths import Home
from launchd.machine import WriteFile

CODE = Path(__file__).resolve().parent.parent
"""The directory that holds our packages: a checkout, or an environment's site-packages."""


class Program:
    """The script of one home, for the interpreter that runs now and the code under ``code``."""

    def __init__(self, home: Home, write: WriteFile, *, code: Path = CODE) -> None:
        self._home = home
        self.path = home.agent_program
        self.former = self.path.with_name(self.path.name + ".former")
        self._write = write
        self._code = code

    @property
    def is_on_trial(self) -> bool:
        """Whether the script has not been proved yet, and there is a former one to go back to."""
        return self.former.exists()

    def place(self) -> None:
        """Writes the script. The last one that was proved stays beside it as the former, whatever was tried since."""
        wanted = script(self._home, stable_interpreter(Path(sys.executable)), self._code).encode()
        present = self.path.read_bytes() if self.path.exists() else None
        if present == wanted:
            return
        if present is not None and not self.is_on_trial:
            self._write(self.former, present, mode=0o700)
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write(self.path, wanted, mode=0o700)
        if self.is_on_trial and self.former.read_bytes() == wanted:
            self.former.unlink()

    def prove(self) -> None:
        """The script is well: there is no way back any more, and none is needed."""
        self.former.unlink(missing_ok=True)

    def put_back(self) -> None:
        """Makes the former script the present one again."""
        self._write(self.path, self.former.read_bytes(), mode=0o700)
        self.former.unlink()

    def remove(self) -> None:
        for path in (self.path, self.former):
            path.unlink(missing_ok=True)

    def interpreter(self) -> Path | None:
        """The interpreter that the script names, or none without a script of ours."""
        if not self.path.exists():
            return None
        named = re.search(r"^PYTHON=.*$", self.path.read_text("utf-8"), re.MULTILINE)
        return Path(shlex.split(named[0])[0].removeprefix("PYTHON=")) if named else None


def script(home: Home, interpreter: Path, code: Path) -> str:
    """The script's text: what it is about, then ``agent.sh``.

    The working directory is kept off the module path: the home has a folder ``datasets``.
    """
    down = {"down": f"{interpreter} does not start the daemon: it is gone, is refused, or lacks its libraries"}
    named = {
        "PYTHON": str(interpreter),
        "CODE": str(code),
        "LAUNCHES": str(home.launches),
        "STARTS": str(home.starts),
        "DOWN": msgspec.json.encode(down).decode(),
    }
    return (
        "#!/bin/sh\n"
        "# Started by launchd or systemd. Written by `iaipctl install` and `iaipctl restart`.\n"
        + "".join(f"{name}={shlex.quote(value)}\n" for name, value in named.items())
        + resources.files("launchd").joinpath("agent.sh").read_text("utf-8")
    )


def stable_interpreter(executable: Path) -> Path:
    """The same interpreter by the name that outlives an upgrade.

    Homebrew's ``<prefix>/Cellar/python@3.12/3.12.7/...`` goes away with `brew upgrade`;
    ``<prefix>/opt/python@3.12/...`` stays. Anything else, a virtual environment's link above all, is kept.
    """
    name = steady_name(PurePosixPath(executable))
    return Path(name) if name is not None and Path(name).exists() else executable


def steady_name(path: PurePosixPath) -> PurePosixPath | None:
    """Homebrew's lasting name for a path in its Cellar; none for any other path."""
    parts = path.parts
    if "Cellar" not in parts:
        return None
    at = parts.index("Cellar")
    formula, rest = parts[at + 1 : at + 2], parts[at + 3 :]
    return PurePosixPath(*parts[:at], "opt", *formula, *rest) if rest else None
