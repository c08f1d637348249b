"""Bad nights, with a real daemon: a ledger overwritten, a bell that is no bell, an owner that died."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.ledger.books import open_books, read_books
from daemon.ledger.records import Owner
from daemon.system.processes import boot_id
from jobs.domain.corpus import DocumentId
from jobs.domain.scan import Known, Seen
from tests.flow.person import Person, wait_for

PICK_UP_SECONDS = 10.0
STOP_SECONDS = 60.0


@contextmanager
def daemon(person: Person) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "daemon"],
        env=person.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: process.poll() is None and person.types("status").returncode == 0)
        yield
    finally:
        process.terminate()
        assert process.wait(timeout=60) == 0


def test_an_overwritten_ledger_is_restored_at_the_start_and_the_daemon_goes_on(settled: Person) -> None:
    with daemon(settled):
        wait_for(lambda: settled.books().jobs.counts().get("done", 0) >= 1 and settled.reads("ledger")["copies"])
        assert settled.types("ledger", "restore").returncode == 5, "not under a daemon that writes it"
    for name in ("ledger.sqlite", "bell.sqlite"):
        (settled.home / name).write_bytes(b"Dear diary, " * 5000)
    told = settled.types("status")
    assert told.returncode == 1 and "iaipd" in told.stderr, "a reader says what to do and repairs nothing"
    with daemon(settled):
        [alert] = settled.books().alerts.unread()
        assert "ledger was restored" in alert.title and "are lost" in alert.body
        before = settled.books().jobs.counts().get("done", 0)
        (settled.notes / "hiver.md").write_text("# L'hiver\n\nLa route de glace est ouverte.\n", "utf-8")
        wait_for(lambda: settled.books().jobs.counts().get("done", 0) > before)
    assert len(list((settled.home / "damaged").iterdir())) == 1


def test_a_person_puts_a_copy_back_with_the_daemon_down(settled: Person) -> None:
    assert settled.types("ledger", "restore").returncode == 6, "there is no copy yet"
    with daemon(settled):
        wait_for(lambda: settled.reads("ledger")["copies"])
    [copy] = settled.reads("ledger")["copies"]
    assert (copy["number"], copy["good"]) == (1, True)
    told = settled.types("ledger", "restore", "1")
    assert told.returncode == 0 and "copy 1 is the ledger now" in told.stdout
    assert [alert.kind for alert in settled.books().alerts.unread()] == ["ledger-restored"]


def test_a_dead_daemons_job_is_done_soon_after_the_next_start(settled: Person) -> None:
    books = open_books(settled.home / "ledger.sqlite")
    waiting = books.jobs.want_refresh(datetime.now(UTC))
    assert waiting is not None
    books.jobs.claim(waiting.id, Owner(boot=boot_id(), pid=2**22 - 1, started=1.0), datetime.now(UTC))
    books.database.close()
    with daemon(settled):
        reader = read_books(settled.home / "ledger.sqlite")
        wait_for(lambda: reader.jobs.job(waiting.id).lease == 2, seconds=PICK_UP_SECONDS)
        wait_for(lambda: reader.jobs.job(waiting.id).state == "done")
    assert reader.jobs.job(waiting.id).attempts == 1, "its owner's death did not count"


def test_a_request_left_while_the_daemon_was_down_is_done_once_it_is_up(settled: Person) -> None:
    assert settled.types("run", "embedding").returncode == 3
    with daemon(settled):
        wait_for(lambda: settled.books().jobs.latest_run("embedding") is not None)
    with daemon(settled):
        runs = settled.books().database.rows("SELECT id FROM run")
    assert len(runs) == 1 and not list((settled.home / "requests").iterdir())


@pytest.mark.slow
def test_sigterm_ends_it_within_a_minute_although_its_worker_is_deaf(settled: Person) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.deaf_daemon"], env=settled.environment, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: [job.phase for job in settled.books().jobs.in_state("running")] == ["deaf"])
        [job] = settled.books().jobs.in_state("running")
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=STOP_SECONDS) == 0
        assert time.monotonic() - began < STOP_SECONDS
    finally:
        process.kill()
    put_back = settled.books().jobs.job(job.id)
    assert (put_back.state, put_back.attempts) == ("queued", 0)


def test_a_stop_that_hangs_is_cut_off(tmp_path: Path) -> None:
    code = (
        "import threading, time; from daemon import bounds; bounds.SECONDS_TO_STOP = 0.3\n"
        "asked = threading.Event()\n"
        "with bounds.gone_in_time(asked): asked.set(); time.sleep(600)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 75


def test_damage_that_the_watcher_meets_ends_the_daemon_and_the_next_start_restores(settled: Person) -> None:
    """More notes than SQLite keeps in memory, so that the next scan reads the file again."""
    (settled.home / "config.toml").write_text("[watch]\nquiet = 0.2\nat_most = 1.0\n")
    ledger = settled.home / "ledger.sqlite"
    many = [
        Seen(
            id=DocumentId(collection="notes", path=f"{number:06d}.md"),
            known=Known(size=1, mtime_ns=1, inode=number, sha256=f"{number:064x}"),
        )
        for number in range(40_000)
    ]
    books = open_books(ledger)
    books.knowledge.apply(many, ())
    books.database.close()
    process = subprocess.Popen(
        [sys.executable, "-m", "daemon"], env=settled.environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: settled.books().knowledge.fact("last-scan") is not None and settled.reads("ledger")["copies"])
        with ledger.open("r+b") as file:
            file.seek(ledger.stat().st_size // 2)
            file.write(b"no page of a ledger " * 50_000)
        (settled.notes / "printemps.md").write_text("# Le printemps\n\nLa glace part.\n", "utf-8")
        assert process.wait(timeout=150) == 75, "it asks to be started again"
    finally:
        process.kill()
    with daemon(settled):
        assert "ledger-restored" in [alert.kind for alert in settled.books().alerts.unread()]
