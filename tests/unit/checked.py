"""A machine and a home that are well, for checks to look at."""

from __future__ import annotations

from daemon.checks.every import CHECKS
from daemon.checks.finding import Subject
from daemon.installed import Installed, Need

EVERYTHING = Installed(
    node=Need(told="Node at /usr/bin/node"),
    qmd=Need(told="/qmd"),
    qmd_version="2.8.3",
    trainers=Need(told="all of it"),
    bases=Need(told="both"),
    notifier="osascript",
)


def found(subject: Subject, name: str):
    return CHECKS[name](subject)
