"""Scans: cheap when nothing changed, every note under one name, and what is no note counted by its reason."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.adapters.markdown_folders import MarkdownFolders, scan
from jobs.domain.corpus import Collection, DocumentId
from jobs.domain.deletions import judge_deletions
from jobs.domain.errors import BadInput
from tests.unit.adapters.looking import LARGEST, collection, known_of, look, note


def test_a_document_is_named_by_its_path_and_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "é.md").write_bytes(b"text")
    found = look(tmp_path)
    assert [seen.id for seen in found.documents] == [note("a/é.md")]
    assert found.documents[0].known.sha256 == hashlib.sha256(b"text").hexdigest()


def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("one")
    before = known_of(look(tmp_path))
    status = path.stat()
    path.write_text("two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert known_of(look(tmp_path, before)) == before


def test_a_file_written_during_the_scan_is_read_once_more(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("one")
    status = path.stat()
    first = scan([collection(tmp_path)], {}, largest=LARGEST, now_ns=status.st_mtime_ns)
    path.write_text("two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    second = look(tmp_path, known_of(first))
    assert second.documents[0].known.sha256 == hashlib.sha256(b"two").hexdigest()


def test_what_nobody_can_train_on_is_counted_by_reason(tmp_path: Path) -> None:
    contents = {"big": b"x" * (LARGEST + 1), "binary": b"a\0b", "latin": "é".encode("latin-1"), "empty": b" \n"}
    for name, content in contents.items():
        (tmp_path / f"{name}.md").write_bytes(content)
    (tmp_path / "loop.md").symlink_to(tmp_path / "loop.md")
    assert look(tmp_path).counts() == {"too-large": 1, "binary": 1, "not-utf-8": 1, "empty": 1, "link": 1}


def test_links_to_folders_are_not_followed_so_loops_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.md").write_text("text")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    assert [str(seen.id) for seen in look(tmp_path).documents] == ["notes/a/b.md"]


def test_a_pipe_in_the_folder_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    assert look(tmp_path).documents == ()


def test_files_reached_through_a_link_out_of_the_collection_are_outside(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    root.mkdir()
    elsewhere.mkdir()
    (elsewhere / "a.md").write_text("text")
    (root / "door").symlink_to(elsewhere)
    pattern = Collection(name="notes", path=str(root), pattern="door/*.md,door/a.md")
    found = scan([pattern], {}, largest=LARGEST, now_ns=0)
    assert {file.reason for file in found.passed_over} == {"outside"}
    assert found.documents == ()


@pytest.mark.skipif(os.name != "posix" or os.uname().sysname == "Darwin", reason="macOS refuses such names")
def test_a_name_that_is_not_utf_8_is_counted_not_fatal(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.md")).write_text("text")
    assert look(tmp_path).counts() == {"name": 1}


def test_a_root_is_told_by_device_and_inode(tmp_path: Path) -> None:
    status = tmp_path.stat()
    [root] = look(tmp_path).roots
    assert (root.device, root.inode) == (status.st_dev, status.st_ino)


def test_a_volume_below_a_collection_that_goes_away_takes_no_note_with_it(tmp_path: Path) -> None:
    """Only root may mount."""
    (tmp_path / "own.md").write_text("own")
    inner = tmp_path / "archive"
    inner.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(inner)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs leave to mount a tmpfs")
    try:
        (inner / "deep").mkdir()
        (inner / "deep" / "old.md").write_text("old")
        mounted = look(tmp_path)
        assert [root.path for root in mounted.roots] == ["", "archive"]
    finally:
        subprocess.run(["umount", "--lazy", str(inner)], check=True)
    known, now = known_of(mounted), datetime(2026, 1, 2, tzinfo=UTC)
    folders = judge_deletions({}, mounted, {}, now).folders
    away = judge_deletions(known, look(tmp_path, known), folders, now)
    assert (away.believed, away.doubted) == ((), {"notes": 1})


def test_what_editors_and_sync_tools_leave_about_is_what_qmd_says_it_is(tmp_path: Path) -> None:
    for name in ("4913", "a.md~", ".a.md.swp", "#a.md#", ".#a.md", "a.md.tmp", ".a.md.icloud", "._a.md", ".DS_Store"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    for folder in (".obsidian", ".git", ".trash"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "b.md").write_text("text")
    (tmp_path / "a (conflicted copy).md").write_text("text")
    found = look(tmp_path)
    assert [str(seen.id) for seen in found.documents] == ["notes/a (conflicted copy).md"]
    assert found.passed_over == ()


def test_a_name_is_one_document_whatever_its_unicode_form(tmp_path: Path) -> None:
    place = tmp_path / "e\u0301te\u0301"
    place.mkdir()
    decomposed = place / "la\u0300.md"
    decomposed.write_text("text")
    if len(list(tmp_path.iterdir())) != 1:
        pytest.skip("this disk is not like others")
    before = known_of(look(tmp_path))
    assert list(before) == [note("\u00e9t\u00e9/l\u00e0.md")]
    assert MarkdownFolders([collection(tmp_path)], LARGEST).read(note("\u00e9t\u00e9/l\u00e0.md")).text == "text"
    place.rename(tmp_path / "\u00e9t\u00e9")  # as a sync tool may
    assert known_of(look(tmp_path, before)) == before


@pytest.mark.skipif(sys.platform == "darwin", reason="there the two names are one")
def test_two_files_whose_names_differ_in_unicode_form_are_one_document_and_one_left_out(tmp_path: Path) -> None:
    (tmp_path / "e\u0301.md").write_text("decomposed")
    (tmp_path / "\u00e9.md").write_text("composed")
    found = look(tmp_path)
    assert [seen.id for seen in found.documents] == [note("\u00e9.md")]
    assert found.counts() == {"same-name": 1}
    read = MarkdownFolders([collection(tmp_path)], LARGEST).read(note("\u00e9.md"))
    assert (read.text, read.sha256) == ("composed", found.documents[0].known.sha256)


def test_a_file_that_the_mask_names_in_another_case_is_one_document(tmp_path: Path) -> None:
    (tmp_path / "readme.md").write_text("text")
    if not (tmp_path / "README.md").exists():  # a disk that tells cases apart: a hard link stands for one that does not
        (tmp_path / "README.md").hardlink_to(tmp_path / "readme.md")
    named = Collection(name="notes", path=str(tmp_path), pattern="README.md,**/*.md")
    found = scan([named], {}, largest=LARGEST, now_ns=0)
    assert [seen.id for seen in found.documents] == [note("README.md")]


def test_reading_gives_the_text_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"\xef\xbb\xbf# A\r\n")
    document = MarkdownFolders([collection(tmp_path)], LARGEST).read(note("a.md"))
    assert document.text == "\ufeff# A\r\n"
    assert document.sha256 == hashlib.sha256(b"\xef\xbb\xbf# A\r\n").hexdigest()


@pytest.mark.parametrize("path", ["gone.md", "../outside.md", "/etc/hostname", "link.md"])
def test_what_cannot_be_read_is_refused_with_a_remedy(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "outside.md").write_text("text")
    (root / "link.md").symlink_to(tmp_path / "outside.md")
    with pytest.raises(BadInput) as refused:
        MarkdownFolders([collection(root)], LARGEST).read(note(path))
    assert refused.value.remedy


@pytest.mark.parametrize("linked", ["note", "folder"])
def test_a_link_out_of_a_permitted_folder_is_no_document_and_is_not_read_in_its_place(
    tmp_path: Path, linked: str
) -> None:
    """Also where it leads to another folder of the same collection, and where it takes a known note's place."""
    for folder in ("open", "closed"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.md").write_text(folder)
    known = look(tmp_path)
    assert {seen.id.path for seen in known.documents} == {"open/a.md", "closed/a.md"}
    (tmp_path / "open" / "a.md").unlink()
    if linked == "note":
        (tmp_path / "open" / "a.md").symlink_to(tmp_path / "closed" / "a.md")
    else:
        (tmp_path / "open").rmdir()
        (tmp_path / "open").symlink_to(tmp_path / "closed")
    assert {seen.id.path for seen in look(tmp_path, known_of(known)).documents} == {"closed/a.md"}
    with pytest.raises(BadInput):
        MarkdownFolders([collection(tmp_path)], LARGEST).read(DocumentId(collection="notes", path="open/a.md"))
