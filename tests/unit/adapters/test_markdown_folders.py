"""Scans: cheap when nothing changed, and never a deletion where a file could not be looked at."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.adapters.markdown_folders import MarkdownFolders, scan
from jobs.domain.corpus import Collection, DocumentId
from jobs.domain.errors import BadInput
from jobs.domain.scan import Known, PassedOver, Scan, Seen, gone

LARGEST = 1000
LATER_NS = 10_000_000_000


def collection(root: Path) -> Collection:
    return Collection(name="notes", path=str(root))


def note(path: str) -> DocumentId:
    return DocumentId(collection="notes", path=path)


def look(root: Path, known: dict[DocumentId, Known] | None = None) -> Scan:
    return scan([collection(root)], known or {}, largest=LARGEST, now_ns=time.time_ns() + LATER_NS)


def known_of(found: Scan) -> dict[DocumentId, Known]:
    return {seen.id: seen.known for seen in found.documents}


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


def test_a_missing_folder_deletes_nothing(tmp_path: Path) -> None:
    found = look(tmp_path / "unmounted")
    assert found.unreadable_folders == (note(""),)
    assert gone([note("a.md"), note("b/c.md")], found) == []


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the tests see as somebody who is not root, who may read everything."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    folder.chmod(0o777)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield folder
    os.seteuid(user)
    for shut in folder.iterdir():
        shut.chmod(0o700)
    shutil.rmtree(folder)


def test_an_unreadable_folder_deletes_nothing_below_it(open_folder: Path) -> None:
    (open_folder / "shut").mkdir(mode=0)
    (open_folder / "c.md").touch(mode=0)
    found = look(open_folder)
    assert gone([note("shut/a.md"), note("b.md"), note("c.md")], found) == [note("b.md")]
    assert (found.counts(), found.unreadable_folders) == ({"unreadable": 1}, (note("shut"),))


def test_a_root_that_may_not_be_entered_deletes_nothing(open_folder: Path) -> None:
    (open_folder / "shut").mkdir(mode=0)
    found = look(open_folder / "shut")
    assert (found.unreadable_folders, found.roots) == ((note(""),), ())


def test_a_root_is_told_by_device_and_inode(tmp_path: Path) -> None:
    status = tmp_path.stat()
    [root] = look(tmp_path).roots
    assert (root.device, root.inode) == (status.st_dev, status.st_ino)


def test_a_folder_that_is_unmounted_during_the_scan_deletes_nothing(tmp_path: Path) -> None:
    root = tmp_path / "notes"
    root.mkdir()
    for name in "abc":
        (root / f"{name}.md").write_text("text")
    before = known_of(look(root))

    class Unmounting(dict[DocumentId, Known]):
        """Asked for the first document, it takes the folder away."""

        def get(self, key: DocumentId, default: object = None) -> Any:
            if not (tmp_path / "volume").exists():
                root.rename(tmp_path / "volume")
                root.mkdir()
            return super().get(key, default)

    found = look(root, Unmounting(before))
    assert found.unreadable_folders == (note(""),)
    assert gone(before, found) == []


def test_a_note_that_an_editor_is_replacing_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("text")
    before = known_of(look(tmp_path))
    path.rename(tmp_path / "a.md~")

    class Saving(dict[DocumentId, Known]):
        """By the time that the scan asks what it missed, the note is there again."""

        def __iter__(self) -> Iterator[DocumentId]:
            path.write_text("saved")
            return super().__iter__()

    found = look(tmp_path, Saving(before))
    assert (found.documents, found.counts()) == ((), {"being-written": 1})
    assert gone(before, found) == []


def test_a_note_that_grows_while_it_is_read_is_left_for_the_next_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.md"
    path.write_text("half")
    real = os.fstat
    sizes = iter([0, 1])

    def growing(descriptor: int) -> os.stat_result:
        if next(sizes):
            with path.open("a") as more:
                more.write(" of a note")
        return real(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr("jobs.adapters.note_file.os.fstat", growing)
        found = look(tmp_path)
    assert (found.documents, found.counts()) == ((), {"being-written": 1})
    assert [str(seen.id) for seen in look(tmp_path).documents] == ["notes/a.md"]


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


def test_a_note_whose_case_changed_is_not_kept_under_both_names(tmp_path: Path) -> None:
    (tmp_path / "Note.md").write_text("text")
    before = known_of(look(tmp_path))
    (tmp_path / "Note.md").rename(tmp_path / "note.md")
    assert gone(before, look(tmp_path, before)) == [note("Note.md")]


def test_what_the_owners_patterns_leave_out_is_told_from_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    for name in ("a.md", "private/b.md", "c.md"):
        (tmp_path / name).write_text("text")
    before = known_of(look(tmp_path))
    (tmp_path / "c.md").unlink()
    narrowed = Collection(name="notes", path=str(tmp_path), ignore=("private/**",))
    found = scan([narrowed], before, largest=LARGEST, now_ns=0)
    assert found.unlisted == (note("private/b.md"),)


def test_a_folder_that_became_a_link_is_not_followed_for_its_old_notes(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    (root / "a").mkdir(parents=True)
    (root / "a" / "b.md").write_text("text")
    before = known_of(look(root))
    (root / "a").rename(elsewhere)
    (root / "a").symlink_to(elsewhere)
    assert gone(before, look(root, before)) == [note("a/b.md")]


def test_a_document_that_became_unusable_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"\0")
    assert gone([note("a.md"), note("b.md")], look(tmp_path)) == [note("b.md")]


PATHS = st.from_regex(r"[ab](/[ab]){0,2}", fullmatch=True)


@given(known=st.sets(PATHS), seen=st.sets(PATHS), passed=st.sets(PATHS), shut=st.sets(PATHS))
def test_only_what_was_looked_for_and_not_found_is_gone(
    known: set[str], seen: set[str], passed: set[str], shut: set[str]
) -> None:
    fact = Known(size=1, mtime_ns=1, inode=1, sha256="0")
    found = Scan(
        documents=tuple(Seen(id=note(path), known=fact) for path in seen),
        passed_over=tuple(PassedOver(id=note(path), reason="binary") for path in passed),
        unreadable_folders=tuple(note(path) for path in shut),
    )
    for document in gone([note(path) for path in known], found):
        assert document.path in known - seen - passed
        assert not any(document.path.startswith(f"{folder}/") for folder in shut)
    everything = {document.path for document in gone([note(path) for path in known], found)}
    assert everything | seen | passed | {p for p in known for f in shut if p.startswith(f"{f}/")} >= known


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
