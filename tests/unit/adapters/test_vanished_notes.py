"""What a scan takes for gone: only what it looked for and did not find, whatever happens to the folders meanwhile."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.adapters.markdown_folders import scan
from jobs.domain.corpus import Collection, DocumentId
from jobs.domain.scan import Known, PassedOver, Scan, Seen, gone
from tests.unit.adapters.looking import LARGEST, known_of, look, note


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
