"""Scans: cheap when nothing changed, and never a deletion where a file could not be looked at."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

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


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_deletes_nothing_below_it(tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir(mode=0)
    found = look(tmp_path)
    assert gone([note("shut/a.md"), note("b.md")], found) == [note("b.md")]


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
