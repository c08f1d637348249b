"""The watcher on real folders with real events: whatever is lost on the way, the notes are known in the end."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from daemon.debounce import Moment
from daemon.watching import watching_lines
from jobs.adapters.qmd_config import read_collections
from jobs.domain.corpus import Collection
from jobs.domain.errors import BadInput
from tests.flow.desk import Desk, until


def test_the_first_scan_knows_every_note_and_tells_of_them(desk: Desk) -> None:
    assert desk.known() == {"one", "two", "three"}
    assert (desk.last().cause, desk.sight()) == ("start", "events")


def test_an_edit_a_new_note_and_a_deletion_are_noticed_by_their_events(desk: Desk) -> None:
    before = desk.shas()
    desk.write("four")
    (desk.notes / "one.md").write_text("another text\n")
    (desk.notes / "two.md").unlink()
    until(lambda: desk.known() == {"one", "three", "four"})
    until(lambda: desk.shas()["one.md"] != before["one.md"])
    assert desk.last().cause == "change"


def test_an_editor_that_replaces_the_file_changes_one_note(desk: Desk) -> None:
    """As vim saves: a probe named 4913, the old file to a backup, a new file in its place, the backup removed."""
    before, note, backup = desk.shas(), desk.notes / "one.md", desk.notes / "one.md~"
    (desk.notes / "4913").write_text("")
    (desk.notes / "4913").unlink()
    note.rename(backup)
    note.write_text("# one\n\nSaved by vim.\n")
    backup.unlink()
    until(lambda: desk.shas().get("one.md", "") not in ("", before["one.md"]))
    assert desk.known() == {"one", "two", "three"}
    assert (desk.last().removed, desk.last().changed) == (0, 1)


def test_an_editor_that_renames_a_finished_file_over_the_note_changes_one_note(desk: Desk) -> None:
    before = desk.shas()
    draft = desk.notes / ".one.md.tmp-8f3a"
    draft.write_text("# one\n\nSaved in one stroke.\n")
    draft.replace(desk.notes / "one.md")
    until(lambda: desk.shas()["one.md"] != before["one.md"])
    assert (desk.known(), desk.last().removed) == ({"one", "two", "three"}, 0)


@pytest.mark.slow
def test_ten_thousand_files_at_once_in_new_folders_are_all_known(desk: Desk) -> None:
    for number in range(10_000):
        folder = desk.notes / f"import-{number % 40}" / f"part-{number % 400}"
        if number < 400:
            folder.mkdir(parents=True)
        (folder / f"{number}.md").write_text(f"# {number}\n\nText.\n")
    until(lambda: len(desk.known()) == 10_003, seconds=120)
    (desk.notes / "import-7" / "part-7" / "7.md").write_text("edited afterwards\n")  # those folders are watched too
    before = desk.changes
    until(lambda: desk.changes > before and desk.last().changed == 1, seconds=60)


def test_a_folder_that_is_moved_away_and_back_loses_nothing_and_is_watched_again(desk: Desk) -> None:
    away = desk.notes.with_name("away")
    desk.notes.rename(away)
    until(lambda: desk.sight() == "missing" and desk.last().cause == "folder")
    assert (desk.known(), desk.last().unreadable_folders) == ({"one", "two", "three"}, 1)
    (away / "one.md").write_text("edited while away\n")
    before = desk.shas()["one.md"]
    away.rename(desk.notes)
    until(lambda: desk.shas()["one.md"] != before and desk.sight() == "events")
    desk.write("four")
    until(lambda: "four" in desk.known())


def test_another_folder_in_the_same_place_is_watched_in_its_stead(desk: Desk) -> None:
    desk.notes.rename(desk.notes.with_name("old"))
    shutil.copytree(desk.notes.with_name("old"), desk.notes)
    until(lambda: desk.last().cause == "folder" and desk.sight() == "events")
    desk.write("four")
    until(lambda: "four" in desk.known())
    assert desk.known() == {"one", "two", "three", "four"}


def test_an_empty_mount_point_keeps_every_document_and_says_so_once(desk: Desk) -> None:
    desk.notes.rename(desk.notes.with_name("volume"))
    desk.notes.mkdir()
    until(lambda: desk.last().doubted == {"notes": 3})
    assert desk.known() == {"one", "two", "three"}
    desk.watcher.mark_dirty()
    until(lambda: desk.last().cause == "change")
    assert desk.alerts() == ["3 documents of notes vanished at once"]
    desk.notes.rmdir()
    desk.notes.with_name("volume").rename(desk.notes)
    until(lambda: desk.last().doubted == {} and desk.last().documents == 3)
    assert desk.known() == {"one", "two", "three"}


def test_a_folder_behind_a_link_is_watched_and_so_is_the_links_next_target(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    link = desk.notes.with_name("link")
    link.symlink_to(desk.notes)
    desk.collections = [Collection(name="notes", path=str(link))]
    desk.starts()
    desk.write("four")
    until(lambda: "four" in desk.known())
    copy = desk.notes.with_name("copy")
    shutil.copytree(desk.notes, copy)
    link.unlink()
    link.symlink_to(copy)
    until(lambda: desk.last().cause == "folder")
    (copy / "five.md").write_text("text\n")
    until(lambda: desk.known() == {"one", "two", "three", "four", "five"})


def test_a_root_that_is_not_there_yet_is_waited_for(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    later = desk.notes.with_name("later")
    desk.collections = [*desk.collections, Collection(name="later", path=str(later))]
    desk.starts()
    assert desk.watching().collections == {"notes": "events", "later": "missing"}
    shutil.copytree(desk.notes, later)
    until(lambda: len(desk.books.knowledge.documents()) == 6)
    until(lambda: desk.watching().collections == {"notes": "events", "later": "events"})


def test_a_change_recorded_just_before_a_kill_is_told_by_the_next_watcher(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    desk.told = RuntimeError("killed before the change was passed on")
    desk.watcher.start()
    until(lambda: desk.known() == {"one", "two", "three"})
    desk.watcher.stop()
    desk.told = None
    again = desk.new_watcher()
    again.start()
    until(lambda: desk.changes == 1)
    again.stop()


def test_waking_up_is_a_reason_to_look_at_everything(desk: Desk) -> None:
    scans = desk.last().at
    desk.offset = Moment(monotonic=0.0, wall=3600.0)
    until(lambda: desk.last().at > scans)
    assert desk.last().cause == "wake"
    desk.write("four")
    until(lambda: "four" in desk.known())


def test_scans_that_fail_are_told_after_a_while_and_go_on(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(scan_every=0.2)
    desk.fault = OSError("secret-note.md")
    desk.watcher.start()
    until(lambda: desk.watching().failures >= 3)
    assert desk.alerts() == ["Your notes cannot be scanned"]
    assert "secret" not in repr(desk.watching()) + repr(desk.books.alerts.unread())
    desk.fault = None
    until(lambda: desk.watching().failures == 0 and desk.known() == {"one", "two", "three"})


def test_a_broken_configuration_of_qmd_is_told_with_its_line_where_people_look(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(scan_every=0.2)
    broken = desk.notes.with_name("index.yml")
    broken.write_text("collections:\n  notes:\n    path: [/kb\n    pattern: '**'\n")
    with pytest.raises(BadInput) as refusal:
        read_collections(broken)
    desk.fault = refusal.value
    desk.watcher.start()
    until(lambda: desk.watching().failures >= 3)
    [alert] = desk.books.alerts.unread()
    lines = "\n".join(watching_lines(desk.watching(), None))
    for told in (alert.body, lines):
        assert f"{broken}, line 4: expected" in told and "next: mend that line" in told.lower()
    desk.fault = None
    until(lambda: desk.watching().failures == 0)
    assert desk.watching().told is None and desk.watching().remedy is None
