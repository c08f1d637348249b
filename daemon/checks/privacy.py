"""What others on this machine may see of the home, where the key to what is sealed lies, and where a job may write."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from daemon.checks.finding import Finding, Subject, fail, ok, warn
from jobs.domain.errors import Refused

_OTHERS = 0o077


def check_permissions(subject: Subject) -> Finding:
    """Every file and folder of the home is its owner's, and nobody else's to read."""
    root = subject.home.root
    foreign, open_to_others, seen = 0, Counter[str](), 0
    for path, found in _everything(root):
        seen += 1
        foreign += found.st_uid != os.getuid()
        if stat.S_IMODE(found.st_mode) & _OTHERS:
            open_to_others[path.relative_to(root).parts[0]] += 1
    if foreign:
        return fail(
            f"{foreign} of {seen} files and folders belong to others", f"`sudo chown -R {os.getuid()} '{root}'`"
        )
    if open_to_others:
        places = ", ".join(f"{number} in {place}" for place, number in sorted(open_to_others.items()))
        return warn(f"the modes of {open_to_others.total()} files and folders let others in ({places})", _closing(root))
    return ok(f"{seen} files and folders, yours alone")


def check_keys(subject: Subject) -> Finding:
    """Where the master key is that opens what is sealed."""
    try:
        where = subject.keys.where()
    except Refused as error:
        return fail(error.message, error.remedy)
    if where is None:
        return ok("nothing is sealed yet: that begins with the first note that is not public")
    if where == "keychain":
        return ok("the master key of what is sealed is in your keychain")
    return ok(f"the master key of what is sealed is in {subject.keys.folder}, for you alone; keep it out of backups")


def check_walls(subject: Subject) -> Finding:
    """Whether this system can keep a job from writing into the owner's other files."""
    walls = subject.file_walls()
    if walls != "none":
        return ok(f"a job writes into its own folders alone ({walls})")
    remedy = "use Linux 5.19 or newer with landlock in /sys/kernel/security/lsm (macOS: /usr/bin/sandbox-exec)"
    return warn("this system cannot keep a job from writing anywhere in your home", remedy)


def _closing(root: Path) -> str:
    return f"`chmod -R go-rwx '{root}'`"


def _everything(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Files and folders below, without those that go meanwhile and without links, which lead out of the home."""
    folders = [folder]
    while folders:
        try:
            entries = list(os.scandir(folders.pop()))
        except (FileNotFoundError, PermissionError):
            continue
        for entry in entries:
            if entry.is_symlink():
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield Path(entry.path), found
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
