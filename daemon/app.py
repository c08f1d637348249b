"""The light process: place → lock → ledger → recover → watch → consume → wait → stop in reverse."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog

from config.load import load_settings
from config.paths import Home
from config.settings import Settings
from daemon.attendant import Attendant
from daemon.bounds import at_once, gone_in_time, in_reach
from daemon.checks.daily import Daily
from daemon.checks.encryption import encryption
from daemon.door import SocketServer
from daemon.executor import Executor, Means
from daemon.eyes import Eyes, corpus_of, keys_of
from daemon.governor import Governor
from daemon.housekeeping import Housekeeper
from daemon.ledger.books import Books
from daemon.ledger.database import Damaged
from daemon.ledger.records import Owner
from daemon.ledger.restore import open_or_restore
from daemon.orphans import Orphans
from daemon.recover import reclaim, recover
from daemon.runner import run_worker
from daemon.scheduler import Calls, Scheduler
from daemon.space import Space
from daemon.system.lock import single_daemon
from daemon.system.notifications import notify
from daemon.system.processes import boot_id, this_process
from daemon.system.service_manager import tell_service_manager
from daemon.system.telemetry import telemetry
from daemon.system.volumes import require_local
from daemon.tasks import Bell
from daemon.watch import Watcher
from daemon.web.front import Front
from daemon.web.house import House
from daemon.withdrawals import Means as WithdrawalMeans
from daemon.withdrawals import Withdrawer
from jobs.adapters.base_places import base_shape
from jobs.adapters.ed25519 import Ed25519Signer
from jobs.adapters.node import node_environment
from jobs.adapters.qmd_config import with_collections_of
from jobs.adapters.qmd_models import model_cache
from jobs.consent.withdrawals import Journal
from jobs.dataset.learnt import Inquiry, may_go_live
from jobs.domain.errors import Refused
from jobs.domain.examples import Target
from jobs.publish import make_directory
from jobs.releases import Releases
from jobs.sealing import seal_leftovers
from jobs.workshop import STAYS_PLAIN
from launchd.machine import this_machine

log = structlog.get_logger()


def serve(home: Home, wait: Callable[[Exception], None] = at_once) -> None:
    """Runs until SIGTERM or SIGINT. ``wait`` is called each time the start finds a home out of reach (a full disk), and
    then it is tried again.

    Raises Refused for a second daemon or a home that is no place for a ledger, BadInput for a ledger of a newer
    version, and Damaged if the ledger or the bell breaks meanwhile, whichever thread meets it: the next start mends
    either.
    """
    require_local(home.root)
    settings = load_settings(home.config_file)
    by = Inquiry(home=home, settings=lambda: settings, corpus=partial(corpus_of, home, settings))
    releases = Releases(home.releases, with_collections_of, may_go_live(by))
    this = this_process(boot_id())
    with ExitStack() as held:
        in_reach(lambda: held.enter_context(single_daemon(home.daemon_lock)), wait)
        books, waiting = in_reach(lambda: _recovered(home, releases, this), wait)
        held.callback(books.database.close)
        _serve(home, settings, books, releases, this, waiting)


def _recovered(home: Home, releases: Releases, this: Owner) -> tuple[Books, list[int]]:
    """The ledger, restored if need be, and the jobs that wait. Interrupted anywhere it can be done again."""
    books, restored = open_or_restore(home, releases, datetime.now(UTC))
    if restored is not None:
        log.warning("the ledger was restored", since=restored.since, until=restored.until)
    try:
        _make_ready(home)
        return books, recover(books, home, releases, this)
    except BaseException:
        books.database.close()
        raise


def _serve(
    home: Home, settings: Settings, books: Books, releases: Releases, this: Owner, waiting: Sequence[int]
) -> None:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    damages: list[Damaged] = []

    def end_damaged(damage: Damaged) -> None:
        damages.append(damage)
        stopping.set()

    books.database.on_damage = end_damaged
    parts = _assemble(home, settings, books, releases, this, stopping)
    consumer = parts.bell.consumer()
    with gone_in_time(stopping), ExitStack() as running:
        for start, stop in (
            (parts.governor.start, parts.governor.stop),
            (consumer.start, lambda: consumer.stop(graceful=True)),
            (lambda: None, parts.front.stop),
            (parts.attendant.start, parts.attendant.stop),
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
            parts.bell.require_whole()
            if not parts.scheduler.is_stuck():
                tell_service_manager("WATCHDOG=1")
        tell_service_manager("STOPPING=1")
        log.info("stopping: jobs are being put back")
        if not damages:
            books.jobs.stop_all()
    if damages:
        raise damages[0]


@dataclass(frozen=True, kw_only=True)
class _Parts:
    governor: Governor
    bell: Bell
    front: Front
    attendant: Attendant
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
) -> _Parts:
    """Plugs everything together; nothing runs yet."""
    eyes = Eyes(home, settings, books, releases)
    bases: dict[Target, str] = {"embedding": settings.embedding.base, "expansion": settings.expansion.base}
    housekeeper = Housekeeper(books, home, releases, settings.disk, books.database.transaction)
    space = Space(books, home, settings, housekeeper, lambda target: base_shape(home.base_models, bases[target]))
    start_worker = partial(run_worker, tool_seconds=settings.qmd.timeout, may_do_without=eyes.may_do_without_sandbox)
    governor = Governor(settings, telemetry(home.root), books, start_worker)
    executor = Executor(
        books,
        home,
        this,
        stopping,
        Means(
            run_worker=governor.run_worker,
            may_start=lambda: attendant.at_rest() and governor.may_start(),
            has_room=space.allows,
            end_trial=releases.recover,
        ),
    )
    bell = Bell(home.bell, executor.execute)
    means = WithdrawalMeans(books=books, grounds=eyes.grounds, signer=Ed25519Signer(home.signing_key), ring=bell.ring)
    attendant = Attendant(Withdrawer(means, home), Journal(home.consent), books.database.on_damage)
    house = House(books=books, home=home, releases=releases, settings=settings, corpus=eyes.corpus, lines=eyes.lines)
    front = Front(house)
    orphans = Orphans(home, this.boot)

    def take_back() -> list[int]:
        orphans.end()
        return reclaim(books, this, attended=executor.attended, now=datetime.now(UTC))

    calls = Calls(
        ring=bell.ring,
        may_start=governor.may_start,
        reclaim=take_back,
        clear_away=housekeeper.clear,
        open_page=front.open,
        tell=partial(notify, this_machine(), page=front.address),
    )
    scheduler = Scheduler(books, home, settings, calls)
    bell.every_minute("schedule", scheduler.tick)
    bell.every_minute("housekeeping", housekeeper.tick)
    bell.every_minute("readiness", lambda: _make_ready(home))
    bell.every_minute("sealing", lambda: _seal_leftovers(home))
    bell.every_minute("checks", Daily(books, lambda: encryption(this_machine(), home.root)).tick)
    watcher = Watcher(books, settings.watch, eyes.collections, eyes.look_through, scheduler.changed)
    return _Parts(
        governor=governor,
        bell=bell,
        front=front,
        attendant=attendant,
        scheduler=scheduler,
        watcher=watcher,
        door=SocketServer(home.socket, eyes.answers().answer),
    )


def _make_ready(home: Home) -> None:
    """What a confined job cannot make for itself: the master key in the keychain, and the folder of QMD's own models,
    without which QMD loads none. What cannot be made is left to the job that needs it, which says what is wrong."""
    with suppress(Refused):
        keys_of(home).make_ready()
    with suppress(OSError):
        make_directory(model_cache(node_environment({})))


def _seal_leftovers(home: Home) -> None:
    if sealed := seal_leftovers(home.stages, keys_of(home), STAYS_PLAIN):
        log.warning("sealed what interrupted jobs had left plain", directories=sealed)
