"""The light process: lock → ledger → recover → watch → consume → wait → stop in reverse."""

from __future__ import annotations

import signal
import threading
import time
from datetime import UTC, datetime

import structlog

from config.load import load_settings
from config.paths import Home
from config.settings import Settings
from daemon.executor import Executor
from daemon.ledger.books import Books, open_books
from daemon.recover import recover
from daemon.runner import run_worker
from daemon.scheduler import Scheduler
from daemon.system.lock import single_daemon
from daemon.system.processes import boot_id, this_process
from daemon.tasks import Bell
from daemon.watch import Watcher
from daemon.web.front import Front
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
    releases = Releases(home.releases, with_collections_of)
    waiting = recover(books, home, releases, boot)
    executor = Executor(books, home, this_process(boot), run_worker, stopping)
    bell = Bell(home.bell, executor.execute)
    front = Front(books, home, releases, settings.page.port)
    scheduler = Scheduler(books, settings, bell.ring, front.open)
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
    consumer = bell.consumer()
    consumer.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    for job in waiting:
        bell.ring(job)
    scheduler.start()
    watcher.start()
    log.info("iaipd is running", at=datetime.now(UTC).isoformat(timespec="seconds"))
    while not stopping.wait(1.0):
        consumer.check_worker_health()
    log.info("stopping: jobs are being put back")
    watcher.stop()
    scheduler.stop()
    front.stop()
    consumer.stop(graceful=True)
