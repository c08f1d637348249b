"""No job starts without room for what it, and the rest of its run, still write; it waits, and says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from config.paths import Home
from config.settings import Settings
from daemon.housekeeping import Housekeeper, written_by
from daemon.ledger.books import Books
from daemon.ledger.records import Job
from daemon.ledger.room import WaitsForRoom, forget_wait, note_wait, sized, waits_for_room
from jobs.domain.errors import BadInput, Refused
from jobs.domain.examples import Target
from jobs.domain.recipe import plan_digest, smaller
from jobs.domain.room import STAGES, ModelShape, Room, run_parts, still_needed
from jobs.wire import LIGHT_STAGES

log = structlog.get_logger()

LIGHT_BYTES = 64 << 20
"""What a light job must find free beside the size of the examples, which it may write anew. It keeps no reserve: below
that one the notes are still followed."""


class Space:
    """Asked before every job. ``measure`` raises BadInput for a base that is not there: the job will tell."""

    def __init__(
        self,
        books: Books,
        home: Home,
        settings: Settings,
        housekeeper: Housekeeper,
        measure: Callable[[Target], ModelShape],
        free: Callable[[], int] | None = None,
    ) -> None:
        self._books = books
        self._home = home
        self._settings = settings
        self._housekeeper = housekeeper
        self._measure = measure
        self._free = free or (lambda: shutil.disk_usage(home.root).free)

    def allows(self, job: Job) -> bool:
        """Makes room by clearing away first. A job that does not fit is noted for ``status``, with one alert."""
        room = self._room(job)
        if room.missing and self._housekeeper.plan().items:
            try:
                log.info("cleared away to make room", bytes=self._housekeeper.clear().size)
            except Refused:
                log.info("cleared nothing away: a job is at work")
            room = self._room(job)
        if room.missing:
            self._wait(job, room)
            return False
        if (noted := waits_for_room(self._books)) is not None and noted.job == job.id:
            forget_wait(self._books)
        return True

    def _room(self, job: Job) -> Room:
        if job.stage in LIGHT_STAGES:
            examples = self._home.examples_cache
            held = examples.stat().st_size if examples.exists() else 0
            return Room(needed=LIGHT_BYTES + held, free=self._free(), reserve=0)
        return Room(needed=self._needed(job), free=self._free(), reserve=self._settings.disk.reserve)

    def _needed(self, job: Job) -> int:
        if job.target is None or job.run is None or job.stage not in STAGES:
            return 0
        settings = self._settings
        try:
            shape = self._measure(job.target)
        except BadInput:
            return 0
        full = settings.embedding if job.target == "embedding" else settings.expansion
        recipe = smaller(full) if job.reboots else full  # as the job will be specified (daemon/executor.py)
        index = (self._home.releases / "current" / "index" / "index.sqlite").resolve()
        size = index.stat().st_size if index.exists() else 0
        written = written_by(job.run, self._home.stages, plan_digest(recipe))
        return still_needed(run_parts(shape, recipe, size), job.stage, written)

    def _wait(self, job: Job, room: Room) -> None:
        """Notes the first job that does not fit, with an alert; then keeps its figures fresh. A light one takes its
        place: then the disk is all but full."""
        noted, now = waits_for_room(self._books), datetime.now(UTC)
        if noted is not None and noted.job != job.id and job.stage not in LIGHT_STAGES:
            return
        waits = WaitsForRoom(
            job=job.id,
            stage=f"{job.target or 'refresh'} {job.stage}",
            since=noted.since if noted else now,
            room=room,
            freeable=self._housekeeper.plan().size,
        )
        note_wait(self._books, waits)
        if noted is None or noted.job != job.id:
            body = f"{waits.words}. It starts by itself once {sized(room.missing)} more are free. Search is untouched."
            self._books.alerts.post("disk-low", "The disk is too full to go on", body, now)
            log.warning("no room", job=job.id, needed=room.needed, free=room.free, reserve=room.reserve)
