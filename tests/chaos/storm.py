"""Kills at random moments over real jobs, a watch over the live release, and the accounts at the end."""

from __future__ import annotations

import random
import shutil
import sqlite3
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import psutil

from config.load import load_settings
from config.paths import Home
from daemon.ledger.records import Job
from jobs.adapters.markdown_folders import MarkdownFolders
from jobs.adapters.qmd_config import read_collections, read_models
from jobs.dataset.cache import opened
from jobs.dataset.refresh import refresh
from jobs.domain.corpus import DocumentId
from jobs.domain.endings import MOST_ATTEMPTS
from jobs.domain.states import JobState
from tests.chaos.house import THINGS, House
from tests.house import keys_of

PICK_UP_SECONDS = 10.0
SETTLE_SECONDS = 400.0


@dataclass
class Account:
    """What the storm did and what it found. ``violations`` is empty when all promises held."""

    kills: dict[str, int] = field(default_factory=dict)
    struck: dict[str, int] = field(default_factory=dict)
    """Kills under a job of each stage."""
    outcomes: dict[str, int] = field(default_factory=dict)
    pick_ups: list[float] = field(default_factory=list)
    looks: int = 0
    rollbacks: int = 0
    edits: int = 0
    runs: int = 0
    jobs: int = 0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)

    @property
    def killed(self) -> int:
        return sum(self.kills.values())


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
        what = self._chance.choices(("daemon", "worker", "both", "rollback"), (4, 3, 1, 2))[0]
        if what == "rollback":
            self._roll_back()
            return
        before = self._house.books.jobs.in_state("running")
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


def close_accounts(house: House, account: Account, scratch: Path) -> None:
    """Nothing lost, nothing done twice. A refresh may be cancelled because another waited: that one did its work."""
    found = account.violations
    if (code := house.stop()) != 0:
        found.append(f"the daemon ended with {code} when asked to stop")
    _check_jobs(house, account)
    _check_runs(house, account)
    _check_notes(house, found, scratch)
    for name in house.releases.names():
        if (damage := house.releases.damage(name)) is not None:
            found.append(f"release {name}: {damage}")
    left = [path for path in house.home.releases.rglob("*") if path.name.startswith(".stage-")]
    house.releases.recover()
    left = [path for path in left if path.exists()]
    found += [f"left over: {path.name}" for path in left]


def _check_jobs(house: House, account: Account) -> None:
    database = house.books.database
    account.jobs = len(database.rows("SELECT id FROM job"))
    account.violations += [
        f"job {row['id']} is {row['state']}: {row['error']}"
        for row in database.rows(
            "SELECT * FROM job WHERE state <> 'done' AND (state <> 'cancelled' OR run IS NOT NULL)"
        )
    ]
    account.violations += [
        f"job {row['job']} was done {row['n']} times"
        for row in database.rows("SELECT job, count(*) AS n FROM event WHERE kind = 'done' GROUP BY job HAVING n <> 1")
    ]


def _check_runs(house: House, account: Account) -> None:
    database, jobs = house.books.database, house.books.jobs
    runs = [jobs.run(row["id"]) for row in database.rows("SELECT id FROM run")]
    account.runs = len(runs)
    published = [release.metadata.run for release in house.releases.all() if release.metadata.run is not None]
    [told] = database.rows(
        "SELECT total(times) AS ends FROM alert WHERE kind <> 'switched' AND title NOT LIKE 'An unconfirmed%'"
    )
    for run in runs:
        stages = [job.stage for job in jobs.of_run(run.id)]
        if run.state != "done":
            account.violations.append(f"run {run.id} is {run.state}: {run.reason}")
        if run.outcome == "not-enough":
            account.violations.append(f"run {run.id} found {len(list(house.notes.iterdir()))} notes not to be enough")
        account.outcomes[str(run.outcome)] = account.outcomes.get(str(run.outcome), 0) + 1
        if len(stages) != len(set(stages)):
            account.violations.append(f"run {run.id} did a stage twice: {stages}")
        if published.count(run.id) > 1:
            account.violations.append(f"run {run.id} has {published.count(run.id)} releases")
    if told["ends"] != len(runs):
        account.violations.append(f"{told['ends']:.0f} alerts tell of the end of {len(runs)} runs")


def _check_notes(house: House, found: list[str], scratch: Path) -> None:
    """The ledger knows every note as it is, and the examples are those that a fresh refresh makes."""
    on_disk = {path.name: sha256(path.read_bytes()).hexdigest() for path in house.notes.iterdir()}
    known = {document.path: state.sha256 for document, state in house.books.knowledge.documents().items()}
    if on_disk != known:
        found.append(f"{len(set(on_disk.items()) ^ set(known.items()))} notes are not known as they are")
    corpus = MarkdownFolders(read_collections(house.releases.current / "qmd" / "index.yml"), 5_000_000)
    documents = [(DocumentId(collection="notes", path=name), digest) for name, digest in sorted(on_disk.items())]
    fresh = Home(root=scratch)
    shutil.copytree(house.home.consent, fresh.consent)
    refresh(corpus, documents, fresh, load_settings(house.home.config_file), lambda done, total: None, keys_of(fresh))
    with (
        opened(house.home.examples_cache, keys_of(house.home)) as grown,
        opened(fresh.examples_cache, keys_of(fresh)) as made,
    ):
        if {d: grown.material(d) for d, _ in documents} != {d: made.material(d) for d, _ in documents}:
            found.append("the examples are not those of the notes")
        if grown.totals() != made.totals():
            found.append(f"the examples count {grown.totals()}, made afresh {made.totals()}")
