"""Our scan lists exactly what real QMD indexes, whatever the pattern."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from unicodedata import normalize

import msgspec
import pytest

pytest.importorskip("gguf")

from jobs.adapters.markdown_folders import scan
from jobs.adapters.qmd_arm import QmdArm
from jobs.adapters.qmd_config import read_collections
from jobs.adapters.qmd_process import QmdTools
from jobs.domain.artifacts import SearchModels

pytestmark = pytest.mark.qmd
MASKS = (
    "**/*.md", "*.md", "**.md", "*.md,*.txt", "{a,b}.md", "**/*.{md,txt}", "docs/**/*.md", "./*.md", "./docs/*.md",
    "docs/**", "**/*.md,!drafts/**", "door/**/*.md", "door/a.md", "docs/{sub,}/*.md", "x{1..2}.md", "[ab].md",
    "[!a].md", "@(a|b).md", "a\\[1\\].md", "**/sub/*.md", ".hidden/**", "../tree/*.md", "nothere/**",
)  # fmt: skip
IGNORES = ((), ("drafts",), ("dra*",), ("**/old/**", "*.txt"), ("**/sub",), ("{docs,drafts}/*.md",), ("!docs/**",))


def rows(index: Path, statement: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(index)) as database:
        return database.execute(statement).fetchall()


def nasty_tree(root: Path) -> None:
    names = ("a.md", "b.md", "B.MD", "c.txt", "é.md", "e\u0301.md", "x1.md", ".h.md", "a[1].md", "with space.md")
    folders = ("", "docs/sub", "docs/.hid", "docs/build", "drafts/old", "node_modules/p", ".hidden", "distant", "a.d")
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            (root / folder / name).write_text(f"{folder}{name}")
    (root / "empty.md").write_text(" \n")
    (root / "binary.md").write_bytes(b"a\0b")
    (root / "latin.md").write_bytes("é".encode("latin-1"))
    (root / "linked.md").symlink_to(root / "a.md")
    (root / "door").symlink_to(root / "docs")
    (root / "docs" / "loop").symlink_to(root)
    (root / "dangling.md").symlink_to(root / "nothing")


def test_the_scan_lists_exactly_what_qmd_indexes(tools: QmdTools, tmp_path: Path, index: Path, model: Path) -> None:
    root = tmp_path / "tree"
    nasty_tree(root)
    cases = [(mask, ()) for mask in MASKS] + [("**/*", ignore) for ignore in IGNORES]
    configuration = tmp_path / "index.yml"
    collections = {
        f"c{number}": {"path": str(root), "pattern": mask, "ignore": list(ignore)}
        for number, (mask, ignore) in enumerate(cases)
    }
    configuration.write_bytes(msgspec.json.encode({"collections": collections}))
    with QmdArm(tools, configuration, index, SearchModels(embed=str(model))) as arm:
        arm.reread()
    found = scan(read_collections(configuration), {}, largest=10**6, now_ns=0)
    indexable = [seen.id for seen in found.documents]
    # What lies behind a link is known and named, but nothing permits it.
    indexable += [file.id for file in found.passed_over if file.reason in ("binary", "not-utf-8", "outside")]
    listed = rows(index, "SELECT collection || '/' || path FROM documents WHERE active = 1")
    by_qmd = {normalize("NFC", path) for (path,) in listed}  # two spellings of one name are one document to us
    assert {str(document) for document in indexable} ^ by_qmd == set()
    assert len(indexable) == len(by_qmd) > len(cases)
