"""Somebody at a real daemon of their own, who types commands and looks at the page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


class Desk:
    """Somebody with a home and a daemon; ``configured`` goes into config.toml."""

    def __init__(self, folder: Path, configured: str = "") -> None:
        (folder / "notes").mkdir()
        (folder / "notes" / "lake.md").write_text("# The lake\n\nIt is free of ice.\n")
        (folder / "index.yml").write_text(f"collections:\n  notes:\n    path: {folder / 'notes'}\n")
        self.environment = {
            **os.environ,
            "IAIP_HOME": str(folder / "home"),
            "QMD_CONFIG_DIR": str(folder),
            "INDEX_PATH": str(folder / "index.sqlite"),
        }
        assert self.types("init").returncode == 0
        (folder / "home" / "config.toml").write_text(configured)
        self.daemon: subprocess.Popen[bytes] | None = None

    def types(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "daemon.cli", *words]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)

    def start(self) -> None:
        self.daemon = subprocess.Popen(
            [sys.executable, "-m", "daemon"], env=self.environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 30
        while self.types("status").returncode != 0:
            assert time.monotonic() < deadline, "the daemon did not start"

    def asks_for_the_page(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.types("ui", "--no-open", "--json").stdout)
        return found

    def leave(self) -> None:
        if self.daemon is not None:
            self.daemon.terminate()
            assert self.daemon.wait(timeout=30) == 0
