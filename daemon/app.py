"""The light process: lock → ledger → recover → watch → consume → wait → stop in reverse."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import UTC, datetime
from typing import Any

import structlog

from config.load import load_settings
from config.paths import Home
from config.settings import Settings
from config.version import VERSION
from daemon.executor import Executor
from daemon.ledger.books import Books, open_books
from daemon.recover import recover
from daemon.runner import run_worker
from daemon.scheduler import Scheduler
from daemon.socket import Health, Question, SocketServer
from daemon.system.folders import probe_folder
from daemon.system.lock import single_daemon
from daemon.system.processes import boot_id, this_process
from daemon.system.service_manager import tell_service_manager
from daemon.tasks import Bell
from daemon.watch import Watcher
from jobs.adapters.markdown_folders import scan
from jobs.adapters.qmd_config import read_collections, with_collections_of
from jobs.releases import Releases

log = structlog.get_logger()


def serve(home: Home) -> None:
    """Runs until SIGTERM or SIGINT. Raises Refused for a second daemon, BadInput for a ledger that is no good."""
    settings = load_settings(home.config_file)
    with single_daemon(home.daemon_lock):
        books = open_books(home.ledger)
        try:
            _serve(home, settings, books)
        finally:
            books.database.close()


def _serve(home: Home, settings: Settings, books: Books) -> None:
    stopping = threading.Event()
    boot = boot_id()
    waiting = recover(books, home, Releases(home.releases, with_collections_of), boot)
    executor = Executor(books, home, this_process(boot), run_worker, stopping)
    bell = Bell(home.bell, executor.execute)
    scheduler = Scheduler(books, settings, bell.ring)
    bell.every_minute(scheduler.tick)
    watcher = Watcher(
        books,
        settings.watch,
        lambda: read_collections(home.releases / "current" / "qmd" / "index.yml"),
        lambda collections, known: scan(
            collections, known, largest=settings.watch.largest_document, now_ns=time.time_ns()
        ),
        scheduler.changed,
    )
    answers = Answers(home, datetime.now(UTC))
    door = SocketServer(home.socket, answers.answer)
    door.start()
    consumer = bell.consumer()
    consumer.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    for job in waiting:
        bell.ring(job)
    scheduler.start()
    watcher.start()
    tell_service_manager("READY=1")
    log.info("iaipd is running", at=answers.started_at.isoformat(timespec="seconds"))
    while not stopping.wait(1.0):
        consumer.check_worker_health()
        tell_service_manager("WATCHDOG=1")
    tell_service_manager("STOPPING=1")
    log.info("stopping: jobs are being put back")
    door.stop()
    watcher.stop()
    scheduler.stop()
    consumer.stop(graceful=True)


class Answers:
    """What the daemon says of itself to whoever asks at its socket."""

    def __init__(self, home: Home, started_at: datetime) -> None:
        self.started_at = started_at
        self._home = home
        self._releases = Releases(home.releases, with_collections_of)

    def answer(self, question: Question) -> Any:
        if question.ask == "folders":
            collections = read_collections(self._releases.current / "qmd" / "index.yml")
            return {collection.name: probe_folder(collection.path) for collection in collections}
        return Health(
            version=VERSION,
            pid=os.getpid(),
            nonce=question.nonce,
            home=str(self._home.root),
            live=self._releases.live(),
            started_at=self.started_at,
        )
