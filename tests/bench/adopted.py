"""A home over a folder of notes, as `iaipctl init` makes it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def adopt(folder: Path) -> dict[str, str]:
    """A home in ``folder/home`` over ``folder/notes``; returns the environment that points at it."""
    (folder / "qmd").mkdir()
    text = f"collections:\n  notes:\n    path: {folder / 'notes'}\n    pattern: '**/*.md'\n"
    (folder / "qmd" / "index.yml").write_text(text, "utf-8")
    environment = {
        **os.environ,
        "IAIP_HOME": str(folder / "home"),
        "QMD_CONFIG_DIR": str(folder / "qmd"),
        "INDEX_PATH": str(folder / "qmd" / "index.sqlite"),
    }
    type_command(environment, "init")
    return environment


def type_command(environment: dict[str, str], *words: str) -> None:
    command = [sys.executable, "-m", "daemon.cli", *words]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=600)
