"""The light process: place → lock → ledger → recover → watch → consume → wait → stop in reverse."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog

from config.load import load_settings
from config.paths import Home
from config.settings import Settings
from daemon.answers import Answers
from daemon.executor import Executor
from daemon.governor import Governor
from daemon.housekeeping import Housekeeper
from daemon.ledger.books import Books
from daemon.ledger.database import Damaged
from daemon.ledger.records import Owner
from daemon.ledger.restore import open_or_restore
from daemon.recover import reclaim, recover
from daemon.runner import run_worker
from daemon.scheduler import Calls, Scheduler
from daemon.socket import SocketServer
from daemon.space import Space
from daemon.system.lock import single_daemon
from daemon.system.processes import boot_id, this_process
from daemon.system.service_manager import tell_service_manager
from daemon.system.telemetry import telemetry
from daemon.system.volumes import require_local
from daemon.tasks import Bell
from daemon.watch import Watcher
from daemon.web.front import Front
from jobs.adapters.aead import AesGcm
from jobs.adapters.base_places import base_shape
from jobs.adapters.macos_keychain import keychain_here
from jobs.adapters.markdown_folders import MarkdownFolders, scan
from jobs.adapters.qmd_config import read_collections, with_collections_of
from jobs.dataset.permission import every_note_is_public
from jobs.domain.corpus import Collection, DocumentId
from jobs.domain.examples import Target
from jobs.domain.scan import Known, Scan
from jobs.keys import Keys
from jobs.releases import Releases
from jobs.sealing import seal_leftovers
from jobs.workshop import STAYS_PLAIN

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
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    damages: list[Damaged] = []

    def end_damaged(damage: Damaged) -> None:
        damages.append(damage)
        stopping.set()

    waiting = recover(books, home, releases, this := this_process(boot_id()))
    parts = _assemble(home, settings, books, releases, this, stopping, end_damaged)
    consumer = parts.bell.consumer()
    with ExitStack() as running:
        for start, stop in (
            (parts.governor.start, parts.governor.stop),
            (consumer.start, lambda: consumer.stop(graceful=True)),
            (lambda: None, parts.front.stop),
            (parts.scheduler.start, parts.scheduler.stop),
            (parts.watcher.start, parts.watcher.stop),
            (parts.door.start, parts.door.stop),
        ):
            start()
            running.callback(stop)
        running.callback(stopping.set)  # a start that failed: nothing new is claimed while the others stop
        for job in waiting:
            parts.bell.ring(job)
        tell_service_manager("READY=1")
        log.info("iaipd is running")
        while not stopping.wait(1.0):
            consumer.check_worker_health()
            tell_service_manager("WATCHDOG=1")
        tell_service_manager("STOPPING=1")
        log.info("stopping: jobs are being put back")
        if not damages:
            books.jobs.announce_stop()
    if damages:
        raise damages[0]


@dataclass(frozen=True, kw_only=True)
class _Parts:
    governor: Governor
    bell: Bell
    front: Front
    scheduler: Scheduler
    watcher: Watcher
    door: SocketServer


def _assemble(
    home: Home,
    settings: Settings,
    books: Books,
    releases: Releases,
    this: Owner,
    stopping: threading.Event,
    end_damaged: Callable[[Damaged], None],
) -> _Parts:
    """Plugs everything together; nothing runs yet."""

    def collections() -> Sequence[Collection]:
        return read_collections(releases.current / "qmd" / "index.yml")

    def look_through(known_to: Sequence[Collection], known: Mapping[DocumentId, Known]) -> Scan:
        return scan(known_to, known, largest=settings.watch.largest_document, now_ns=time.time_ns())

    bases: dict[Target, str] = {"embedding": settings.embedding.base, "expansion": settings.expansion.base}
    housekeeper = Housekeeper(books, home, releases, settings.disk, books.database.transaction)
    space = Space(books, home, settings, housekeeper, lambda target: base_shape(home.base_models, bases[target]))

    def may_do_without() -> bool:
        corpus = MarkdownFolders(collections(), settings.watch.largest_document)
        documents = list(books.knowledge.documents())
        return settings.confinement.where_none == "all-public" and every_note_is_public(
            corpus, documents, home, settings, datetime.now(UTC)
        )

    start_worker = partial(run_worker, may_do_without=may_do_without)
    governor = Governor(settings.governor, telemetry(home.root), books.pace, start_worker)
    executor = Executor(
        books,
        home,
        this,
        governor.run_worker,
        stopping,
        may_start=lambda job: governor.may_start() and space.allows(job),
        end_trial=releases.recover,
    )
    bell = Bell(home.bell, executor.execute)
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
    bell.every_minute("sealing", lambda: _seal_leftovers(home))
    watcher = Watcher(books, settings.watch, collections, look_through, scheduler.changed)
    answers = Answers(home=home.root, releases=releases, collections=collections, started_at=datetime.now(UTC))
    door = SocketServer(home.socket, answers.answer)
    return _Parts(governor=governor, bell=bell, front=front, scheduler=scheduler, watcher=watcher, door=door)


def _seal_leftovers(home: Home) -> None:
    """Keys are read anew each time: the daemon holds none."""
    keys = Keys(home.keys, AesGcm(), keychain_here())
    if sealed := seal_leftovers(home.stages, keys, STAYS_PLAIN):
        log.warning("sealed what interrupted jobs had left plain", directories=sealed)
