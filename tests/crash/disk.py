"""A disk that remembers what it was asked, so that every way a crash can leave it can be laid out and repaired.

The functions under test run for real, in a real folder. While ``recording``, every call of ``os`` that
writes, syncs, renames, links or removes, and every write of an open file, is a point at which

- the process may die (``moments``: the disk as it is, and all that a power cut may leave of it);
- the system may refuse (``Refusal``: ENOSPC, EIO, EROFS, once or from then on).

The model of a power cut, after ALICE (Pillai et al., OSDI 2014): the content of a file is safe once the
file was synced, before that it may be missing, half or whole; an entry of a directory (creation, rename,
link, removal) is safe once that directory was synced, before that any subset of the entries may be
missing, in any order. A rename is atomic. What SQLite writes is found by looking: its files are old or
new, never half, because their safety is SQLite's affair. The ledger's are safe as they are found: with
synchronous=FULL SQLite syncs what it commits, and the directory with it (sqlite.org/pragma.html).
"""

from __future__ import annotations

import builtins
import fcntl
import io
import itertools
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.crash.trees import Change, Entry, Moment, Node, Tree

CALLS = ("chmod", "link", "mkdir", "open", "remove", "rename", "replace", "rmdir", "symlink", "truncate", "unlink")
LEDGER = ("ledger.sqlite", "ledger.sqlite-shm", "ledger.sqlite-wal")


@dataclass
class Refusal:
    """``errno`` at the point of that number (from 0), or at all from there on."""

    point: int
    errno: int
    for_good: bool


@dataclass
class Disk:
    root: Path
    moments: list[Moment] = field(default_factory=list)
    refusal: Refusal | None = None
    start: Moment | None = None
    points: int = 0
    refused: int = 0
    _nodes: dict[int, Node] = field(default_factory=dict)
    _entries: dict[Entry, int] = field(default_factory=dict)
    _safe: dict[Entry, int] = field(default_factory=dict)
    _pending: list[Change] = field(default_factory=list)
    _known: dict[int, int] = field(default_factory=dict)
    _last: dict[int, Node] = field(default_factory=dict)
    _count: Iterator[int] = field(default_factory=itertools.count)
    _top: int = 0

    @contextmanager
    def recording(self) -> Iterator[None]:
        """All that is there at the start is safe."""
        self._look(ours=False)
        self._safe = dict(self._entries)
        self._pending.clear()
        self._nodes = {n: Node(**{**vars(v), "safe": v.content}) for n, v in self._nodes.items()}
        self.start = self._moment("the start")
        with ExitStack() as patches:
            for name in CALLS:
                patches.enter_context(patch.object(os, name, self._watched(name, getattr(os, name))))
            patches.enter_context(patch.object(os, "fsync", self._watched_sync(os.fsync)))
            patches.enter_context(patch.object(fcntl, "fcntl", self._watched_control(fcntl.fcntl)))
            for place in (io, builtins):
                patches.enter_context(patch.object(place, "open", self._watched_open(io.open)))
            # shutil would copy inside the kernel: by read and write each part of a copy is a point.
            patches.enter_context(patch.multiple(shutil, _USE_CP_SENDFILE=False, _HAS_FCOPYFILE=False))
            yield
        self._point("the end")

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            reads = name == "open" and not arguments[1] & (os.O_CREAT | os.O_TRUNC)
            if reads:
                return real(*arguments, **options)
            self._point(name)
            result = real(*arguments, **options)
            self._look(ours=True)
            return result

        return call

    def _watched_sync(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def sync(descriptor: int) -> None:
            self._point("fsync")
            node = self._known.get(os.fstat(descriptor).st_ino)
            if node is not None:
                self._make_safe(node)

        return sync

    def _watched_control(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """macOS syncs by fcntl."""
        sync = self._watched_sync(os.fsync)

        def control(descriptor: int, command: int, *rest: Any) -> Any:
            if command == getattr(fcntl, "F_FULLFSYNC", None):
                return sync(descriptor)
            return real(descriptor, command, *rest)

        return control

    def _watched_open(self, real: Callable[..., Any]) -> Callable[..., Any]:
        disk = self

        class Written(io.FileIO):
            def write(self, content: Any) -> int:
                disk._point("write")
                written = super().write(content)
                disk._look(ours=True)
                return written

        def call(file: Any, mode: str = "r", buffering: int = -1, encoding: Any = None, *rest: Any, **more: Any) -> Any:
            if not set(mode) & set("wax+"):
                return real(file, mode, buffering, encoding, *rest, **more)
            if not isinstance(file, int):
                self._point("open")
            raw = Written(file, mode.replace("b", "").replace("t", ""))
            self._look(ours=True)
            buffered = io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding=encoding)

        return call

    def _point(self, call: str) -> None:
        self._look(ours=False)
        self.moments.append(self._moment(call))
        number, self.points = self.points, self.points + 1
        refusal = self.refusal
        if refusal and call != "the end" and (number == refusal.point or (refusal.for_good and number > refusal.point)):
            self.refused += 1
            raise OSError(refusal.errno, os.strerror(refusal.errno))

    def _moment(self, call: str) -> Moment:
        return Moment(call=call, nodes=dict(self._nodes), safe=dict(self._safe), pending=tuple(self._pending))

    def _make_safe(self, number: int) -> None:
        node = self._nodes[number]
        if node.kind == "file":
            self._nodes[number] = Node(**{**vars(node), "safe": node.content})
            return
        done = [change for change in self._pending if number in _directories(change)]
        touched = {entry for change in done for entry, _ in change}
        latest = max((self._pending.index(change) for change in done), default=-1)
        for change in done:
            for entry, target in change:
                _put(self._safe, entry, target)
        self._pending = [
            change
            for position, change in enumerate(self._pending)
            if change not in done and not (position < latest and any(entry in touched for entry, _ in change))
        ]

    def _look(self, *, ours: bool) -> None:
        """Takes note of what changed since the last look. ``ours``: by one call that was watched."""
        entries, nodes = self._scan(ours)
        gone = [(entry, None) for entry in self._entries if entry not in entries]
        new = [(entry, node) for entry, node in entries.items() if self._entries.get(entry) != node]
        if ours and (gone or new):
            self._pending.append((*gone, *new))
        else:
            self._pending += [(change,) for change in (*gone, *new)]
        self._entries, self._nodes = entries, nodes
        self._last.update(nodes)
        if not ours:
            self._trust_ledger(new)

    def _trust_ledger(self, found: list[tuple[Entry, int]]) -> None:
        """What SQLite committed is safe, and so is a directory in which it made a file."""
        for (_, name), number in self._entries.items():
            if name in LEDGER:
                self._make_safe(number)
        for (directory, name), _ in found:
            if name in LEDGER:
                self._make_safe(directory)

    def _scan(self, ours: bool) -> tuple[dict[Entry, int], dict[int, Node]]:
        entries: dict[Entry, int] = {}
        nodes: dict[int, Node] = {}
        known: dict[int, int] = {}

        def visit(path: Path) -> int:
            status = path.lstat()
            number = known.setdefault(status.st_ino, self._known.get(status.st_ino, -1))
            if number < 0:
                number = known[status.st_ino] = next(self._count)
            before = self._nodes.get(number)
            mode = stat.S_IMODE(status.st_mode)
            if path.is_symlink():
                nodes[number] = Node(kind="link", content=os.fsencode(path.readlink()))
            elif path.is_dir():
                nodes[number] = Node(kind="directory", mode=mode)
                for child in sorted(path.iterdir()):
                    entries[number, child.name] = visit(child)
            else:
                content = path.read_bytes()
                safe = before.safe if before else b""
                changed = before is None or before.content != content
                nodes[number] = Node(
                    kind="file",
                    mode=mode,
                    content=content,
                    safe=safe,
                    ours=ours if changed or before is None else before.ours,
                )
            return number

        self._top = visit(self.root)
        self._known = known
        return entries, nodes

    def states(self, moment: Moment) -> Iterator[Tree]:
        """All that a crash at this moment may leave, the untouched disk first."""
        dirty = [n for n, node in moment.nodes.items() if node.kind == "file" and node.safe != node.content]
        options = [[True, False]] * len(moment.pending) + [moment.nodes[n].contents() for n in dirty]
        return (self._tree(moment, dirty, choice) for choice in itertools.product(*options))

    def _tree(self, moment: Moment, dirty: list[int], choice: tuple[Any, ...]) -> Tree:
        entries = dict(moment.safe)
        for kept, change in zip(choice, moment.pending, strict=False):
            for entry, target in change if kept else ():
                _put(entries, entry, target)
        contents = dict(zip(dirty, choice[len(moment.pending) :], strict=True))
        inside: dict[int, list[tuple[str, int]]] = {}
        for (directory, name), number in entries.items():
            inside.setdefault(directory, []).append((name, number))
        tree: Tree = {}

        def lay(number: int, path: str) -> None:
            for name, child in sorted(inside.get(number, [])):
                node = moment.nodes.get(child) or self._last[child]  # an undone removal brings a node back
                tree[f"{path}{name}"] = (child, node, contents.get(child, node.content))
                if node.kind == "directory":
                    lay(child, f"{path}{name}/")

        lay(self._top, "")
        return tree


def _directories(change: Change) -> set[int]:
    """Whose sync makes the change safe: of a rename, the directory it went to."""
    return {entry[0] for entry, target in change if target is not None} or {entry[0] for entry, _ in change}


def _put(entries: dict[Entry, int], entry: Entry, target: int | None) -> None:
    if target is None:
        entries.pop(entry, None)
    else:
        entries[entry] = target
