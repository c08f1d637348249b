"""Watches that hear nothing: found out by a canary or by silence, and then the notes are scanned more often."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from watchdog.observers.polling import PollingObserver

from daemon.debounce import Moment
from daemon.system.folder_events import CANARY
from tests.flow.desk import LINUX, Desk, until


def test_a_canary_is_never_seen_by_a_scan_and_never_stays(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(canary_every=0.2)
    (desk.notes / CANARY).touch()  # as a kill leaves it
    desk.starts()
    until(lambda: not (desk.notes / CANARY).exists())
    time.sleep(2.0)
    assert (desk.sight(), desk.watching().missed, desk.last().cause) == ("events", 0, "start")
    desk.watcher.stop()
    assert sorted(place.name for place in desk.notes.iterdir()) == ["one.md", "three.md", "two.md"]


@LINUX
def test_a_watcher_that_went_deaf_is_found_out_and_what_it_missed_is_scanned(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(canary_every=1.0)
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
    make_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An observer that looks once an hour stands for a file system without events."""
    monkeypatch.setattr("daemon.system.folder_events.Observer", lambda: PollingObserver(timeout=3600))
    desk = make_desk(canary_every=0.5)
    desk.starts()
    until(lambda: desk.sight() == "silent")
    assert desk.alerts() == ["A folder of notes sends no events"]
    desk.write("four")
    until(lambda: "four" in desk.known())
    assert (desk.last().cause, desk.watching().missed) == ("time", 1)


def test_a_network_folder_is_scanned_often_and_says_so(
    make_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.lookout.is_on_remote", lambda folder: True)
    desk = make_desk()
    desk.starts()
    assert (desk.sight(), desk.alerts()) == ("network", [])
    until(lambda: desk.last().cause == "time")


def test_an_hour_without_events_is_a_reason_too(desk: Desk) -> None:
    desk.offset = Moment(monotonic=3600.0, wall=3600.0)
    until(lambda: desk.last().cause == "time")


@LINUX
def test_a_system_without_watches_is_told_once_and_scanned_more_often(tmp_path: Path) -> None:
    """In a user namespace of its own, whose limit is lowered; the machine's stays."""
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from tests.flow.desk import Desk, until
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
        [*command, str(tmp_path)],
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
