"""The environment an agent is started with: what a login shell knew at installation, without anything secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from config.paths import Home
from launchd.agent import AgentFailed

SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")
CARRIED = ("QMD_CONFIG_DIR", "INDEX_PATH", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")


def agent_environment(home: Home, installer: Mapping[str, str]) -> dict[str, str]:
    """Places only: `launchctl print` shows every value to anyone who asks."""
    carried = {name: installer[name] for name in CARRIED if installer.get(name)}
    return {
        "IAIP_HOME": str(home.root),
        "LANG": _locale(installer.get("LANG", "")),
        "PATH": lasting_path(installer.get("PATH", "")),
        **carried,
    }


def _locale(installers: str) -> str:
    """The installer's own where it is plain UTF-8: notifications speak its language."""
    return installers if re.fullmatch(r"[a-z]{2,3}_[A-Z]{2}\.(UTF-8|utf8)", installers) else "en_US.UTF-8"


def lasting_path(path: str) -> str:
    """The installer's PATH, so that the agent finds the same Node and QMD: absolute folders, each once."""
    folders = [folder for folder in path.split(":") if PurePosixPath(folder).is_absolute() and Path(folder).is_dir()]
    return ":".join(dict.fromkeys([*folders, *SYSTEM_PATH]))


def refuse_unspeakable(home: Home) -> None:
    """Raises AgentFailed for a home whose path a definition file cannot hold."""
    if not str(home.root).isprintable():
        raise AgentFailed(
            "the home's path holds control characters, which no agent's definition can name; nothing was changed",
            remedy="choose another home with --home",
            kept=True,
        )
