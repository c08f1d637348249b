"""A person who types iaipctl, in a home of their own and in real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from daemon.ledger.books import Books, read_books


class Person:
    """Types commands in a home of their own."""

    def __init__(self, folder: Path) -> None:
        self.notes = folder / "notes"
        self.notes.mkdir()
        (self.notes / "été.md").write_text("# L'été\n\nLe lac est libre de glace.\n", "utf-8")
        self.qmd = folder / "qmd"
        self.qmd.mkdir()
        (self.qmd / "index.yml").write_text(
            f"# mine\ncollections:\n  notes:\n    path: {self.notes}\n    pattern: '**/*.md'\n", "utf-8"
        )
        self.home = folder / "home"
        self.environment = {
            **os.environ,
            "IAIP_HOME": str(self.home),
            "QMD_CONFIG_DIR": str(self.qmd),
            "INDEX_PATH": str(self.qmd / "index.sqlite"),
        }

    def types(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "daemon.cli", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def reads(self, *words: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.types(*words, "--json").stdout)
        return found

    def books(self) -> Books:
        return read_books(self.home / "ledger.sqlite")


def wait_for(condition: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
