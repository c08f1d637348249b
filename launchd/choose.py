"""Which supervisor this machine has."""

from __future__ import annotations

from config.paths import Home
from launchd.launchd_agent import LaunchdAgent
from launchd.machine import Machine, WriteFile
from launchd.systemd_agent import SystemdAgent


def agent_of(machine: Machine, home: Home, write: WriteFile) -> LaunchdAgent | SystemdAgent:
    """launchd on macOS, systemd everywhere else."""
    return (LaunchdAgent if machine.platform == "darwin" else SystemdAgent)(machine, home, write)
