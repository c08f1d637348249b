"""Which notes the demo takes of a folder that somebody names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from config.tools.install import PROJECT
from daemon.demo_notes import LARGEST_NOTE, MOST_NOTES, choose_notes, copy_notes


def write(folder: Path, **sizes: int) -> None:
    for name, size in sizes.items():
        (folder / f"{name}.md").write_text("x" * size)


def test_every_note_of_a_small_folder_is_taken_whatever_its_size(tmp_path: Path) -> None:
    write(tmp_path, empty=0, short=40, long=LARGEST_NOTE * 9)
    assert {path.stem for path in choose_notes(tmp_path)} == {"empty", "short", "long"}


def test_of_many_notes_those_that_say_the_most_are_taken_and_books_last(tmp_path: Path) -> None:
    write(tmp_path, book=LARGEST_NOTE + 1, **{f"n{size}": size for size in range(1, MOST_NOTES + 5)})
    chosen = [path.stat().st_size for path in choose_notes(tmp_path)]
    assert chosen == list(range(MOST_NOTES + 4, 4, -1))


def test_copies_keep_their_folders(tmp_path: Path) -> None:
    source, target = tmp_path / "é tude", tmp_path / "copy"
    (source / "node_modules" / "canot").mkdir(parents=True)
    write(source / "node_modules" / "canot", clés=10)
    copy_notes(choose_notes(source), source, target)
    assert [path.relative_to(target) for path in target.rglob("*.md")] == [Path("canot/clés.md")]


def test_notes_in_the_demos_own_folder_are_refused_and_stay(tmp_path: Path) -> None:
    own = tmp_path / "demo" / "notes"
    own.mkdir(parents=True)
    write(own, canot=10)
    command = [sys.executable, "-m", "daemon.demo", "--kb", str(own), "--folder", str(tmp_path / "demo")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=PROJECT, check=False)
    assert done.returncode == 2 and "Copy it out" in done.stdout
    assert (own / "canot.md").exists()


def test_a_folder_without_markdown_is_told_before_anything_is_made(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "daemon.demo", "--kb", str(tmp_path / "nowhere"), "--folder", str(tmp_path / "d")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=PROJECT, check=False)
    assert done.returncode == 2
    assert "make demo KB=path" in done.stdout
    assert not (tmp_path / "d").exists()
