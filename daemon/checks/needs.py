"""What heavy jobs need, and whether alerts reach the desktop: as the agent finds it where it answers."""

from __future__ import annotations

from collections.abc import Callable

from daemon.checks.finding import Finding, Subject, cannot_tell, fail, ok, warn
from daemon.checks.programs import OLDEST_QMD, version
from daemon.installed import Installed, Need


def check_node(subject: Subject) -> Finding:
    return _judged(subject, lambda found: found.node)


def check_qmd(subject: Subject) -> Finding:
    found = subject.installed()
    if found is None or found.qmd.remedy:
        return _judged(subject, lambda found: found.qmd)
    if version(found.qmd_version) < OLDEST_QMD:
        told = f"QMD {found.qmd_version or 'of an unknown version'} at {found.qmd.told} is too old"
        return fail(told, "`npm install -g @tobilu/qmd`")
    return ok(f"QMD {found.qmd_version} at {found.qmd.told}")


def check_trainers(subject: Subject) -> Finding:
    return _judged(subject, lambda found: found.trainers)


def check_base(subject: Subject) -> Finding:
    return _judged(subject, lambda found: found.bases)


def check_notifications(subject: Subject) -> Finding:
    """Whether the system shows what it is handed, nobody can tell."""
    found = subject.installed()
    if found is None:
        return _unanswered()
    if found.notifier is None:
        told = "nothing here brings alerts to the desktop; they wait in `iaipctl alerts` and on the page"
        return warn(told, "install notify-send (the package libnotify-bin)")
    return ok(f"alerts go to the desktop by {found.notifier}, as far as the system's settings allow")


def _judged(subject: Subject, need: Callable[[Installed], Need]) -> Finding:
    found = subject.installed()
    if found is None:
        return _unanswered()
    wanted = need(found)
    return fail(wanted.told, wanted.remedy) if wanted.remedy else ok(wanted.told)


def _unanswered() -> Finding:
    return cannot_tell("the agent did not answer", "`iaipctl doctor agent`")
