"""The light process: place → lock → ledger → recover → watch → consume → wait → stop in reverse."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from config.load import load_settings
from config.paths import Home
from config.settings import Settings
from config.version import VERSION
from daemon.executor import Executor
from daemon.governor import Governor
from daemon.housekeeping import Housekeeper
from daemon.ledger.books import Books
from daemon.ledger.database import Damaged
from daemon.ledger.restore import open_or_restore
from daemon.recover import reclaim, recover
from daemon.runner import run_worker
from daemon.scheduler import Calls, Scheduler
from daemon.socket import Health, Question, SocketServer
from daemon.space import Space
from daemon.system.folders import probe_folder
from daemon.system.lock import single_daemon
from daemon.system.processes import boot_id, this_process
from daemon.system.service_manager import tell_service_manager
from daemon.system.telemetry import telemetry
from daemon.system.volumes import require_local
from daemon.tasks import Bell
from daemon.watch import Watcher
from daemon.web.front import Front
from jobs.adapters.base_places import base_shape
from jobs.adapters.markdown_folders import scan
from jobs.adapters.qmd_config import read_collections, with_collections_of
from jobs.domain.examples import Target
from jobs.domain.room import ModelShape
from jobs.releases import Releases

log = structlog.get_logger()


def serve(home: Home) -> None:
    """Runs until SIGTERM or SIGINT. Raises Refused for a second daemon or a home that is no place for a ledger,
    BadInput for a ledger of a newer version, and Damaged if the ledger breaks meanwhile: the next start restores it.
    """
    require_local(home.root)
    settings = load_settings(home.config_file)
    with single_daemon(home.daemon_lock):
        releases = Releases(home.releases, with_collections_of)
        books, restored = open_or_restore(home, releases, datetime.now(UTC))
        if restored is not None:
            log.warning("the ledger was restored", since=restored.since, until=restored.until)
        try:
            _serve(home, settings, books, releases)
        finally:
            books.database.close()


def _serve(home: Home, settings: Settings, books: Books, releases: Releases) -> None:
    stopping = threading.Event()
    damages: list[Damaged] = []
    this = this_process(boot_id())
    waiting = recover(books, home, releases, this)
    housekeeper = Housekeeper(books, home, releases, settings.disk, books.database.transaction)
    space = Space(books, home, settings, housekeeper, _measure_bases(home, settings))
    governor = Governor(settings.governor, telemetry(home.root), books.pace, run_worker)
    executor = Executor(
        books, home, this, governor.run_worker, stopping, lambda job: governor.may_start() and space.allows(job)
    )
    bell = Bell(home.bell, executor.execute)

    def end_damaged(damage: Damaged) -> None:
        damages.append(damage)
        stopping.set()

    front = Front(books, home, releases, settings.page.port)
    calls = Calls(
        ring=bell.ring,
        reclaim=lambda: reclaim(books, this, attended=executor.attended, now=datetime.now(UTC)),
        clear_away=housekeeper.clear,
        open_page=front.open,
        page_address=front.address,
        damaged=end_damaged,
    )
    scheduler = Scheduler(books, home, settings, calls)
    bell.every_minute("schedule", scheduler.tick)
    bell.every_minute("housekeeping", housekeeper.tick)
    watcher = Watcher(
        books,
        settings.watch,
        lambda: read_collections(home.releases / "current" / "qmd" / "index.yml"),
        lambda collections, known: scan(
            collections, known, largest=settings.watch.largest_document, now_ns=time.time_ns()
        ),
        scheduler.changed,
    )
    governor.start()
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
    if not damages:
        books.jobs.announce_stop()
    door.stop()
    watcher.stop()
    scheduler.stop()
    front.stop()
    consumer.stop(graceful=True)
    governor.stop()
    if damages:
        raise damages[0]


def _measure_bases(home: Home, settings: Settings) -> Callable[[Target], ModelShape]:
    bases = {"embedding": settings.embedding.base, "expansion": settings.expansion.base}
    return lambda target: base_shape(home.base_models, bases[target])


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
