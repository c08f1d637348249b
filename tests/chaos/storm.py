"""Kills at random moments over real jobs, and a watch over the live release."""

from __future__ import annotations

import random
import signal
import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import psutil

from daemon.ledger.records import Job
from jobs.adapters.qmd_config import read_models
from jobs.domain.endings import MOST_ATTEMPTS
from jobs.domain.states import JobState
from tests.chaos.accounts import Account
from tests.chaos.house import THINGS, House

PICK_UP_SECONDS = 10.0
SETTLE_SECONDS = 400.0


class Watch:
    """Looks at the live release without pause: it always answers."""

    def __init__(self, house: House, account: Account) -> None:
        self._house = house
        self._account = account
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch")

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - whatever keeps it from answering is a violation
                self._account.violations.append(f"the live release did not answer: {type(error).__name__}: {error}")
            self._account.looks += 1

    def _look(self) -> None:
        directory = self._house.releases.live_directory()
        assert directory is not None
        self._house.releases.release(directory.name)
        embed = read_models(directory / "qmd" / "index.yml").embed
        assert embed is None or not embed.startswith("/") or Path(embed).is_file()
        address = f"{(directory / 'index' / 'index.sqlite').resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=10.0)) as index:
            index.execute("SELECT count(*) FROM documents").fetchone()


class Storm:
    """``search``: whole runs as well as refreshes. Chance comes from ``seed``; what it meets depends on the machine."""

    def __init__(self, house: House, account: Account, seed: int, *, search: bool) -> None:
        self._house = house
        self._account = account
        self._chance = random.Random(seed)
        self._search = search

    def rage(self, seconds: float, kills: int) -> None:
        """Until the time is over or so many were killed. First the notes get known, or no run would get far."""
        self._await_first_refresh()
        began = time.monotonic()
        while time.monotonic() - began < seconds and self._account.killed < kills:
            self._work()
            if self._search and self._chance.random() < 0.3:
                self._let_one_finish()
            self._choose_moment()
            if (code := self._house.daemon.poll()) is not None:
                self._account.violations.append(f"the daemon ended by itself with {code}")
                self._house.start()
            self._strike()
        self._account.seconds = time.monotonic() - began

    def _await_first_refresh(self) -> None:
        books, deadline = self._house.books, time.monotonic() + 60.0
        while not books.jobs.counts().get(JobState.DONE) or len(books.knowledge.documents()) < len(THINGS):
            assert time.monotonic() < deadline, "the notes were never learnt of"
            time.sleep(0.05)

    def _work(self) -> None:
        """There is always something to do."""
        for _ in range(self._chance.randrange(1, 4)):
            self._house.edit(self._chance)
            self._account.edits += 1
        if self._search and not self._active_run():
            self._house.asks("run", "embedding", "--force")

    def _let_one_finish(self) -> None:
        """Now and then a stage comes to its end, so that the next one is struck too."""
        jobs, deadline = self._house.books.jobs, time.monotonic() + 120.0
        running = {job.id for job in jobs.in_state("running") if job.run is not None}
        while running and time.monotonic() < deadline:
            if any(jobs.job(number).state not in ("queued", "running") for number in running):
                return
            time.sleep(0.05)

    def _choose_moment(self) -> None:
        """Mostly while a job runs, anywhere in it; sometimes at any time."""
        deadline = time.monotonic() + 3.0
        while self._chance.random() < 0.995 and time.monotonic() < deadline:
            if self._house.books.jobs.in_state("running"):
                break
            time.sleep(0.02)
        depth = self._chance.choice((0.1, 0.5, 1.5, 4.0, *([12.0] if self._search else [])))  # a training takes long
        time.sleep(self._chance.random() * depth)

    def _active_run(self) -> bool:
        run = self._house.books.jobs.latest_run()
        return run is not None and run.state == "active"

    def _strike(self) -> None:
        what = self._chance.choices(("daemon", "worker", "both", "rollback", "stop"), (4, 3, 1, 2, 1))[0]
        if what == "rollback":
            self._roll_back()
            return
        before = self._house.books.jobs.in_state("running")
        if what == "stop":
            self._stop_in_order(before)
            return
        if what in ("worker", "both") and not self._kill_worker(before):
            what = "daemon"
        if what in ("daemon", "both"):
            self._house.kill_daemon()
            time.sleep(self._chance.choice((0.0, 0.0, 0.5)))
            self._house.start()
            if self._chance.random() < 0.2:  # and again while it gets up
                time.sleep(self._chance.random())
                self._house.kill_daemon()
                self._house.start()
                self._count("daemon, getting up")
        self._count(what)
        for job in before:
            self._account.struck[job.stage] = self._account.struck.get(job.stage, 0) + 1
        self._await_pick_up(before, time.monotonic() if what == "worker" else self._house.started)

    def _stop_in_order(self, running: list[Job]) -> None:
        if (code := self._house.stop()) not in (0, -signal.SIGTERM):  # before it listens, it is a kill like any other
            self._account.violations.append(f"the daemon ended with {code} when asked to stop")
        self._house.start()
        self._account.stops += 1
        self._await_pick_up(running, self._house.started)

    def _count(self, what: str) -> None:
        self._account.kills[what] = self._account.kills.get(what, 0) + 1

    def _kill_worker(self, running: list[Job]) -> bool:
        """All that run and have spoken. A worker's death counts against its job: the storm stays below what makes a
        job fail."""
        workers = self._house.workers()
        ripe = all(job.phase is not None and job.attempts < MOST_ATTEMPTS for job in running)
        if not running or len(workers) != len(running) or not ripe:
            return False
        for worker in workers:
            with suppress(psutil.NoSuchProcess):
                worker.kill()
        return True

    def _roll_back(self) -> None:
        target = self._chance.choice(("v0", "v1", "v2"))
        if self._house.types_and_is_killed(self._chance.uniform(0.1, 0.8), "rollback", "--to", target):
            self._count("rollback")
        self._account.rollbacks += 1

    def _await_pick_up(self, before: list[Job], since: float) -> None:
        """Every job that ran is claimed again, or was at its end."""
        jobs = self._house.books.jobs
        waiting = {job.id: job.lease for job in before}
        while waiting:
            for number, lease in list(waiting.items()):
                found = jobs.job(number)
                if found.state not in ("queued", "running") or found.lease > lease:
                    self._account.pick_ups.append(time.monotonic() - since)
                    del waiting[number]
            if time.monotonic() - since > PICK_UP_SECONDS and waiting:
                told = ", ".join(f"{number} ({jobs.job(number).state})" for number in sorted(waiting))
                self._account.violations.append(f"jobs not picked up in {PICK_UP_SECONDS:.0f} s: {told}")
                return
            time.sleep(0.02)

    def settle(self) -> None:
        """The storm is over: everything that was asked for gets done."""
        jobs, deadline = self._house.books.jobs, time.monotonic() + SETTLE_SECONDS
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < 4.0:
            if jobs.in_state("queued", "running"):
                quiet_since = time.monotonic()
            if time.monotonic() > deadline:
                self._account.violations.append("the queue did not become empty")
                return
            time.sleep(0.1)
