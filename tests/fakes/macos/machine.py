"""A machine for tests: the fake tools in a folder of their own, and the handles on what they do."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from launchd.machine import NOT_THERE, PLACES, Answer, Machine, Session, Tools, run_tool
from tests.fakes.macos.state import FRESH, State
from tests.fakes.macos.tools import answered

PROJECT = Path(__file__).resolve().parents[3]
BESIDE_THE_TABLE = ("terminal-notifier", "notify-send", "security")


class FakeMachine:
    """``tools``: a folder of fake tools. ``user_home``: the person's home on it."""

    def __init__(self, folder: Path) -> None:
        self.tools = folder / "bin"
        self.user_home = folder / "user"
        self.state = State(folder / "state.json")
        self.tools.mkdir(parents=True)
        self.user_home.mkdir()
        self.state.path.write_text(json.dumps({**FRESH, "user_home": str(self.user_home)}), "utf-8")
        for name in (*PLACES, *BESIDE_THE_TABLE):
            self._make_tool(name)

    def _make_tool(self, name: str) -> None:
        command = shlex.join([sys.executable, "-S", "-m", "tests.fakes.macos", str(self.state.path), name])
        path = self.tools / name
        path.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(PROJECT))} exec {command} "$@"\n', "utf-8")
        path.chmod(0o755)

    def machine(self, platform: str, session: Session | None = None, *, processes: bool = False) -> Machine:
        """``pause`` costs a fiftieth of a second and pushes the fake clock.

        ``processes``: every call of a tool is a process of its own, as on a real machine, and as slow.
        """
        return Machine(
            platform=platform,
            tools=Tools(self.tools),
            run=run_tool if processes else self.run,
            session=session or Session(uid=501),
            user_home=self.user_home,
            environment={"PATH": f"{self.tools}:/usr/bin:/bin"},
            pause=self.later,
        )

    def run(self, argv: Sequence[str], timeout: float) -> Answer:
        """The tool's own code in this process; anything else is really run."""
        tool = Path(argv[0])
        if tool.parent != self.tools:
            return run_tool(argv, timeout)
        if not tool.exists():
            return Answer(NOT_THERE, "", "No such file or directory")
        return Answer(*answered(self.state, tool.name, list(argv[1:])))

    def set(self, **values: Any) -> None:
        with self.state.change() as state:
            unknown = values.keys() - FRESH.keys()
            assert not unknown, unknown
            state.update(values)

    def script(self, call: str, *answers: tuple[int, str, str]) -> None:
        with self.state.change() as state:
            state["scripted"][call] = [list(answer) for answer in answers]

    def later(self, seconds: float) -> None:
        with self.state.change() as state:
            state["clock"] += seconds
        time.sleep(0.02)

    def calls(self, tool: str) -> list[list[str]]:
        """The arguments of every call of the tool so far, oldest first."""
        log = self.state.path.with_suffix(".jsonl")
        lines = log.read_text("utf-8").splitlines() if log.exists() else []
        return [words for tool_, *words in (json.loads(line)["argv"] for line in lines) if tool_ == tool]

    def service(self) -> dict[str, Any] | None:
        """What launchd holds of the one agent there may be."""
        return next(iter(self.state.read()["services"].values()), None)

    def until(self, condition: Any, seconds: float = 120.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain; {self.state.read()}"
            time.sleep(0.02)


@contextmanager
def fake_machine(folder: Path) -> Iterator[FakeMachine]:
    """All that was started on it is ended with the block."""
    found = FakeMachine(folder)
    try:
        yield found
    finally:
        found.set(over=True)
        found.until(lambda: not _alive(found.state.read()))


def _alive(values: dict[str, Any]) -> list[int]:
    pids = [entry["pid"] for entry in (*values["services"].values(), *values["units"].values()) if entry["pid"]]
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]
