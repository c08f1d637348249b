"""iaipctl uninstall [--purge]: the agent goes, and your QMD files come back as plain files."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from pathlib import Path

from config.paths import runtime_directory
from daemon.cli.result import REFUSED, Result
from daemon.cli.root import Context
from daemon.system.lock import running_pid
from jobs.adoption import give_back
from jobs.domain.errors import Refused
from jobs.publish import remove_directory

AS_ADOPTED = "v0"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--purge", action="store_true", help="go back to your own models (v0) and remove the home with all it holds"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before --purge")


def run(options: argparse.Namespace, context: Context) -> Result:
    if options.purge and not (options.yes or _agreed(context)):
        return Result(
            schema="iaip.uninstall/1",
            data={"removed": False, "purged": False, "given_back": []},
            text="",
            talk="nothing was changed\n  next: `iaipctl uninstall --purge --yes`, or without --purge to keep the home",
            code=REFUSED,
        )
    files = context.qmd_files  # what may refuse comes first: then nothing was touched
    if options.purge:
        _refuse_models_of_ours(context)
    notes = context.agent.uninstall()
    _refuse_while_served(context)
    if options.purge and context.releases.live() is not None:
        context.releases.roll_back(AS_ADOPTED)
    given = [str(path) for path in give_back(context.releases, files)]
    context.program.remove()
    if options.purge:
        notes += _purged(context)
    lines = ["the agent is removed", *(f"given back as a plain file: {path}" for path in given)]
    notes += [_still_linked(path, context) for path in (files.index, files.config) if _is_ours(path, context)]
    lines.append(f"removed: {context.home.root}" if options.purge else f"kept: {context.home.root}")
    notes.append("Restart a QMD server that is running. `qmd update` and `qmd embed` bring the index up to date.")
    return Result(
        schema="iaip.uninstall/1",
        data={"removed": True, "purged": options.purge, "given_back": given},
        text="\n".join(lines),
        talk="\n".join(notes),
    )


def _is_ours(path: Path, context: Context) -> bool:
    return path.is_symlink() and path.readlink().is_relative_to(context.releases.current)


def _still_linked(path: Path, context: Context) -> str:
    return (
        f"{path} is still a link: {context.home.root}, which it leads into, is not there. Is its volume not mounted?"
        " Mount it, then `iaipctl uninstall` again."
    )


def _purged(context: Context) -> list[str]:
    """Removes all that is the home's, also outside it, and returns what the owner should know of the rest."""
    notes, left = [], context.keys.leave_keychain()
    remove_directory(context.home.root)
    with suppress(OSError):  # other homes' sockets may lie there too
        context.home.socket.parent.rmdir()
    if left is not None:
        notes.append(
            f"Your keychain still has {left}, which opens nothing now: `security delete-generic-password -s {left}`."
        )
    if (shared := runtime_directory(context.machine.environment)).exists():
        notes.append(f"{shared} stays, with locks that all homes share and nothing of your notes.")
    return notes


def _agreed(context: Context) -> bool:
    """Asks on a terminal; anywhere else nobody can agree."""
    if not sys.stdin.isatty():
        return False
    question = f"Remove {context.home.root} with every trained model, judged query and log? Type yes: "
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() == "yes"


def _refuse_while_served(context: Context) -> None:
    pid = running_pid(context.home.daemon_lock)
    if pid is not None:
        raise Refused(
            f"a daemon started by hand still serves this home (pid {pid}); your files stay linked",
            remedy=f"end it with `kill {pid}`, then `iaipctl uninstall` again",
        )


def _refuse_models_of_ours(context: Context) -> None:
    """A configuration that would name models inside the home, even back at what was adopted, would break with it."""
    if context.releases.live() is None:
        return
    live, adopted = context.releases.way_back(AS_ADOPTED)
    if str(context.home.root) in context.releases.configuration_after(live, adopted):
        raise Refused(
            f"QMD's configuration names files inside {context.home.root}, which --purge would remove;"
            " nothing was changed",
            remedy="name other models or folders in it, or run `iaipctl uninstall` without --purge",
        )
