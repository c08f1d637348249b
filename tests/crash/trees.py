"""What lies on a disk between two calls, and the trees of it that a crash may leave: told apart, and laid out again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

Entry = tuple[int, str]
Change = tuple[tuple[Entry, int | None], ...]
"""Entries that change together: name in directory → node, or none when it goes."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A file, link or directory. ``safe`` is what a power cut leaves of a file's content."""

    kind: str
    mode: int = 0
    content: bytes = b""
    safe: bytes = b""
    ours: bool = False

    def contents(self) -> list[bytes]:
        half = self.content[: len(self.content) // 2]
        return list(dict.fromkeys([self.content, self.safe, *([half] if self.ours else [])]))


@dataclass(frozen=True, kw_only=True)
class Moment:
    """The disk between two calls: ``safe`` entries, and ``pending`` changes that no sync has made safe."""

    call: str
    nodes: Mapping[int, Node]
    safe: Mapping[Entry, int]
    pending: tuple[Change, ...]


Tree = dict[str, tuple[int, Node, bytes]]
"""Path → node with one of its contents: one state that a crash leaves."""


def fingerprint(tree: Tree) -> frozenset[tuple[str, str, bytes]]:
    """What tells one state from another."""
    return frozenset((path, node.kind, content) for path, (_, node, content) in tree.items())


def lay_out(tree: Tree, root: Path) -> None:
    """Puts the state where the recording took place, in place of all that is there."""
    shutil.rmtree(root)
    root.mkdir()
    placed: dict[int, Path] = {}
    for name, (number, node, content) in tree.items():
        path = root / name
        if node.kind == "directory":
            path.mkdir()
        elif number in placed:
            path.hardlink_to(placed[number])
        elif node.kind == "link":
            path.symlink_to(os.fsdecode(content))
        else:
            path.write_bytes(content)
            path.chmod(node.mode)
            placed[number] = path
