"""The accounts of a storm: what it did, and whether all that was asked for was done, once, and nothing else."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from config.load import load_settings
from config.paths import Home
from jobs.adapters.markdown_folders import MarkdownFolders
from jobs.adapters.qmd_config import read_collections
from jobs.dataset.cache import opened
from jobs.dataset.refresh import Inputs, refresh
from jobs.domain.corpus import DocumentId
from tests.chaos.house import House
from tests.house import keys_of


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
    stops: int = 0
    edits: int = 0
    runs: int = 0
    jobs: int = 0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)

    @property
    def killed(self) -> int:
        return sum(self.kills.values())


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
    unended = database.rows("SELECT * FROM job WHERE state <> 'done' AND (state <> 'cancelled' OR run IS NOT NULL)")
    account.violations += [
        f"job {row['id']} is {row['state']}: {row['error']}"
        for row in unended
        if not (row["state"] == "failed" and _overtaken(row["error"]))
    ]
    account.violations += [
        f"job {row['job']} was done {row['n']} times"
        for row in database.rows("SELECT job, count(*) AS n FROM event WHERE kind = 'done' GROUP BY job HAVING n <> 1")
    ]


def _overtaken(reason: str | None) -> bool:
    """A switch by hand came between a run's measurement and its release: the run says so and ends."""
    return "is live by now, and run" in (reason or "")


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
        overtaken = run.state == "failed" and _overtaken(run.reason)
        if run.state != "done" and not overtaken:
            account.violations.append(f"run {run.id} is {run.state}: {run.reason}")
        if run.outcome == "not-enough":
            account.violations.append(f"run {run.id} found {len(list(house.notes.iterdir()))} notes not to be enough")
        ended = "overtaken by a switch" if overtaken else str(run.outcome)
        account.outcomes[ended] = account.outcomes.get(ended, 0) + 1
        if len(stages) != len(set(stages)):
            account.violations.append(f"run {run.id} did a stage twice: {stages}")
        if published.count(run.id) > 1:
            account.violations.append(f"run {run.id} has {published.count(run.id)} releases")
    if account.outcomes.get("overtaken by a switch", 0) > account.rollbacks:
        account.violations.append(f"{account.outcomes} with {account.rollbacks} switches by hand")
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
    settings = load_settings(house.home.config_file)
    inputs = Inputs(corpus=corpus, documents=documents, home=fresh, settings=settings, keys=keys_of(fresh))
    refresh(inputs, lambda done, total: None)
    with (
        opened(house.home.examples_cache, keys_of(house.home)) as grown,
        opened(fresh.examples_cache, keys_of(fresh)) as made,
    ):
        if {d: grown.material(d) for d, _ in documents} != {d: made.material(d) for d, _ in documents}:
            found.append("the examples are not those of the notes")
        if grown.totals() != made.totals():
            found.append(f"the examples count {grown.totals()}, made afresh {made.totals()}")
