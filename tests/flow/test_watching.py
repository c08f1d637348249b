"""The watcher on real folders with real events: whatever is lost on the way, the notes are known in the end."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from watchdog.observers.polling import PollingObserver

from config.load import load_settings
from config.settings import WatchSettings
from daemon import watch
from daemon.debounce import Moment
from daemon.ledger.books import Books, open_books
from daemon.system.folder_events import CANARY
from daemon.system.folders import probe_folder
from daemon.watch import Watcher, moment
from daemon.watching import LastScan, Watching
from jobs.adapters.markdown_folders import scan
from jobs.domain.corpus import Collection

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="inotify")


class Desk:
    """A folder of notes, a watcher and a ledger."""

    def __init__(self, folder: Path, *, canary_every: float = 3600.0, scan_every: float = 3600.0) -> None:
        self.notes = folder / "notes"
        self.notes.mkdir()
        self.write("one", "two", "three")
        self.books: Books = open_books(folder / "home" / "ledger.sqlite")
        self.offset = Moment(monotonic=0.0, wall=0.0)
        self.changes = 0
        self.fault: Exception | None = None
        self.collections = [Collection(name="notes", path=str(self.notes))]
        defaults = load_settings(folder / "no.toml").watch
        settings = WatchSettings(
            quiet=0.2,
            at_most=2.0,
            scan_every=scan_every,
            poll_every=1.0,
            canary_every=canary_every,
            largest_document=defaults.largest_document,
            excluded_folders=[],
        )
        self.told: Exception | None = None
        self._settings = settings
        self.watcher = self.new_watcher()

    def new_watcher(self) -> Watcher:
        return Watcher(self.books, self._settings, self._collections, self._scan, self._changed, self.clock)

    def clock(self) -> Moment:
        real = moment()
        return Moment(monotonic=real.monotonic + self.offset.monotonic, wall=real.wall + self.offset.wall)

    def write(self, *names: str) -> None:
        for name in names:
            (self.notes / f"{name}.md").write_text(f"# {name}\n\nText of {name}.\n")

    def known(self) -> set[str]:
        return {document.path.removesuffix(".md") for document in self.books.knowledge.documents()}

    def shas(self) -> dict[str, str]:
        return {document.path: known.sha256 for document, known in self.books.knowledge.documents().items()}

    def last(self) -> LastScan:
        found = self.books.knowledge.value("last-scan", LastScan)
        assert found is not None
        return found

    def watching(self) -> Watching:
        return self.books.knowledge.value("watching", Watching) or Watching()

    def sight(self) -> str | None:
        return self.watching().collections.get("notes")

    def alerts(self) -> list[str]:
        return [alert.title for alert in self.books.alerts.unread()]

    def starts(self) -> None:
        self.watcher.start()
        until(lambda: self.changes > 0 and self.sight() is not None)

    def _collections(self) -> list[Collection]:
        return self.collections

    def _scan(self, collections: Any, known: Any) -> Any:
        if self.fault is not None:
            raise self.fault
        return scan(collections, known, largest=5_000_000, now_ns=time.time_ns())

    def _changed(self) -> None:
        if self.told is not None:
            raise self.told
        self.changes += 1


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    desks: list[Desk] = []

    def made(**settings: float) -> Desk:
        desks.append(Desk(tmp_path, **settings))
        return desks[-1]

    yield made
    for desk in desks:
        desk.watcher.stop()
        desk.books.database.close()


@pytest.fixture
def desk(make: Callable[..., Desk]) -> Desk:
    found = make()
    found.starts()
    return found


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


def test_a_folder_behind_a_link_is_watched_and_so_is_the_links_next_target(make: Callable[..., Desk]) -> None:
    desk = make()
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


def test_a_canary_is_never_seen_by_a_scan_and_never_stays(make: Callable[..., Desk]) -> None:
    desk = make(canary_every=0.2)
    (desk.notes / CANARY).touch()  # as a kill leaves it
    desk.starts()
    until(lambda: not (desk.notes / CANARY).exists())
    time.sleep(2.0)
    assert (desk.sight(), desk.watching().missed, desk.last().cause) == ("events", 0, "start")
    desk.watcher.stop()
    assert sorted(place.name for place in desk.notes.iterdir()) == ["one.md", "three.md", "two.md"]


@LINUX
def test_a_watcher_that_went_deaf_is_found_out_and_what_it_missed_is_scanned(make: Callable[..., Desk]) -> None:
    desk = make(canary_every=1.0)
    desk.starts()
    events = desk.watcher._lookout._events
    assert events is not None and events._observer is not None
    events._observer.unschedule_all()  # no event will ever come, and no thread has died
    desk.write("four")
    until(lambda: "four" in desk.known() and desk.watching().missed == 1)
    assert desk.last().cause == "canary"
    until(lambda: desk.sight() == "events")
    desk.write("five")
    until(lambda: "five" in desk.known())


def test_a_folder_that_stays_deaf_is_scanned_often_and_says_so(
    make: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An observer that looks once an hour stands for a file system without events."""
    monkeypatch.setattr("daemon.system.folder_events.Observer", lambda: PollingObserver(timeout=3600))
    desk = make(canary_every=0.5)
    desk.starts()
    until(lambda: desk.sight() == "silent")
    assert desk.alerts() == ["A folder of notes sends no events"]
    desk.write("four")
    until(lambda: "four" in desk.known())
    assert (desk.last().cause, desk.watching().missed) == ("time", 1)


def test_a_network_folder_is_scanned_often_and_says_so(
    make: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.lookout.is_on_remote", lambda folder: True)
    desk = make()
    desk.starts()
    assert (desk.sight(), desk.alerts()) == ("network", [])
    until(lambda: desk.last().cause == "time")


def test_a_root_that_is_not_there_yet_is_waited_for(make: Callable[..., Desk]) -> None:
    desk = make()
    later = desk.notes.with_name("later")
    desk.collections = [*desk.collections, Collection(name="later", path=str(later))]
    desk.starts()
    assert desk.watching().collections == {"notes": "events", "later": "missing"}
    shutil.copytree(desk.notes, later)
    until(lambda: len(desk.books.knowledge.documents()) == 6)
    until(lambda: desk.watching().collections == {"notes": "events", "later": "events"})


def test_a_change_recorded_just_before_a_kill_is_told_by_the_next_watcher(make: Callable[..., Desk]) -> None:
    desk = make()
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


def test_an_hour_without_events_is_a_reason_too(desk: Desk) -> None:
    desk.offset = Moment(monotonic=3600.0, wall=3600.0)
    until(lambda: desk.last().cause == "time")


def test_scans_that_fail_are_told_after_a_while_and_go_on(make: Callable[..., Desk]) -> None:
    desk = make(scan_every=0.2)
    desk.fault = OSError("secret-note.md")
    desk.watcher.start()
    until(lambda: desk.watching().failures >= 3)
    assert desk.alerts() == ["Your notes cannot be scanned"]
    assert "secret" not in repr(desk.watching()) + repr(desk.books.alerts.unread())
    desk.fault = None
    until(lambda: desk.watching().failures == 0 and desk.known() == {"one", "two", "three"})


@LINUX
def test_a_system_without_watches_is_told_once_and_scanned_more_often(tmp_path: Path) -> None:
    """In a user namespace of its own, whose limit is lowered; the machine's stays."""
    program = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from test_watching import Desk, until
        Path("/proc/sys/user/max_inotify_watches").write_text("5")
        desk = Desk(Path(sys.argv[1]))
        for number in range(20):
            (desk.notes / str(number)).mkdir()
        desk.starts()
        assert desk.sight() == "no-watches", desk.sight()
        (desk.notes / "19" / "deep.md").write_text("unheard")
        until(lambda: "19/deep" in desk.known())
        assert desk.last().cause == "time", desk.last()
        desk.watcher.stop()
        assert desk.alerts() == ["The system has no folder watches left"], desk.alerts()
        print("told")
        """
    )
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", program]
    told = subprocess.run(
        [*command, str(tmp_path), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    if "unshare" in told.stderr and "Traceback" not in told.stderr:
        pytest.skip("no user namespaces here")
    assert told.stdout.endswith("told\n"), told.stderr


@LINUX
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not write")
def test_a_folder_that_may_only_be_read_is_watched_without_a_canary(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    program = textwrap.dedent(
        """
        import os, sys
        from pathlib import Path
        from daemon.lookout import Lookout
        notes = Path(sys.argv[1])
        os.seteuid(65534)
        changes = []
        lookout = Lookout(lambda: changes.append(1), 1.0)
        lookout.cover(frozenset([str(notes)]), 0.0)
        assert lookout.check(2.0) is None
        assert lookout.sight(str(notes)) == "unproven", lookout.sight(str(notes))
        assert lookout.missed == 0 and list(notes.iterdir()) == []
        lookout.close()
        print("told")
        """
    )
    notes = Path("/var/tmp") / f"iaip-test-{os.getpid()}"
    notes.mkdir()
    notes.chmod(0o755)
    try:
        told = subprocess.run(
            [sys.executable, "-c", program, str(notes)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    finally:
        notes.rmdir()
    assert told.stdout.endswith("told\n"), told.stderr


@pytest.fixture
def still(tmp_path: Path) -> Iterator[Desk]:
    """A watcher whose thread does not run: it scans when it is told."""
    found = Desk(tmp_path)
    yield found
    found.watcher._lookout.close()
    found.books.database.close()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_a_folder_that_macos_closes_is_told_once_and_forgets_nothing(still: Desk, monkeypatch, number: int) -> None:
    desk = still
    desk.watcher.scan_now("start")
    known = desk.known()
    real = os.scandir

    def shut(path: Any = ".") -> Any:
        if str(path).startswith(str(desk.notes)):
            raise OSError(number, os.strerror(number))
        return real(path)

    with monkeypatch.context() as closed:
        closed.setattr(os, "scandir", shut)
        closed.setattr(watch, "probe_folder", lambda path: probe_folder(path, shut))
        for _ in range(2):
            last = desk.watcher.scan_now("time")
        assert last.closed == {"notes": 1}
    assert [alert.kind for alert in desk.books.alerts.unread()] == ["permission-lost"]
    assert desk.known() == known
    assert desk.watcher.scan_now("time").closed == {}


def test_a_folder_that_is_not_mounted_is_not_taken_for_a_closed_one(still: Desk) -> None:
    desk = still
    desk.watcher.scan_now("start")
    desk.notes.rename(desk.notes.with_name("away"))
    assert desk.watcher.scan_now("time").closed == {}
    assert "permission-lost" not in [alert.kind for alert in desk.books.alerts.unread()]
