"""The whole loop on real parts, once undisturbed and once with a kill -9 in every stage: the same verdict."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

pytest.importorskip("torch")

from daemon.ledger.books import Books, open_books
from daemon.ledger.records import Job, Run
from jobs.adapters.node import find_converter, find_node, find_qmd
from jobs.domain.errors import ToolFailed
from jobs.domain.gates import Verdict
from jobs.domain.results import ValidationResult
from jobs.wire import STAGE_ORDER

pytestmark = [pytest.mark.ml, pytest.mark.qmd, pytest.mark.slow, pytest.mark.timeout(900)]

SETTINGS = """
[watch]
quiet = 0.5
[dataset]
minimum_pairs = 40
most_test_queries = 40
test_share = 0.4
[schedule]
new_pairs = 1000000
new_expansions = 1000000
[embedding]
epochs = 1
batch_size = 8
max_tokens = 64
checkpoint_steps = 2
average_weights = [0.5, 1.0]
"""
THINGS = ("canoe", "snowshoe", "smokehouse", "sawmill", "library", "orchard", "bakery", "ferry", "school", "garden")
PLACES = ("north shore", "river mouth", "old village", "winter camp", "east ridge", "long portage")
MATTERS = ("opening hours", "repairs", "history", "who to ask", "tools needed", "weather limits", "costs", "safety")


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    try:
        find_node(""), find_qmd(""), find_converter()
    except ToolFailed as missing:
        pytest.skip(f"{missing.message}: {missing.remedy}")


class House:
    """A home with notes, a QMD that has a model, and a daemon that can be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "home"
        self.environment = {
            **os.environ,
            "IAIP_HOME": str(self.root),
            "QMD_CONFIG_DIR": str(folder / "qmd"),
            "INDEX_PATH": str(folder / "qmd" / "index.sqlite"),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }
        self.root.mkdir(parents=True)
        (self.root / "config.toml").write_text(SETTINGS)
        write_notes(folder / "notes")
        gguf = self.types("models", "gguf", "all-minilm-l6-v2", str(folder / "models"))
        (folder / "qmd").mkdir()
        (folder / "qmd" / "index.yml").write_text(
            f"collections:\n  notes:\n    path: {folder / 'notes'}\n    pattern: '**/*.md'\nmodels:\n  embed: {gguf}\n"
        )
        self.types("init")
        self.types("consent", "classify", "notes", "--as", "public", "--yes")
        self.books: Books = open_books(self.root / "ledger.sqlite")
        self.daemon = self.start()

    def types(self, *words: str) -> str:
        command = [sys.executable, "-m", "daemon.cli", *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=300, check=True)
        return done.stdout.strip()

    def start(self) -> subprocess.Popen[bytes]:
        with (self.folder / "iaipd.log").open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", "daemon"], env=self.environment, stdout=log, stderr=log)

    def kill_daemon(self) -> None:
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait()
        self.daemon = self.start()

    def kill_worker(self) -> None:
        for child in psutil.Process(self.daemon.pid).children():
            child.kill()

    def begin(self) -> int:
        self.until(lambda: self.books.jobs.counts().get("done", 0) >= 1)
        return int(self.types("run", "embedding", "--force").split()[-1])

    def running(self, run: int) -> Job | None:
        return next((job for job in self.books.jobs.of_run(run) if job.state == "running"), None)

    def end(self, run: int) -> Run:
        self.until(lambda: self.books.jobs.run(run).state != "active")
        return self.books.jobs.run(run)

    def verdict(self, run: int) -> Verdict:
        [job] = [job for job in self.books.jobs.of_run(run) if job.stage == "validate"]
        return msgspec.convert(job.result, ValidationResult).verdict

    def until(self, condition: Any, seconds: float = 600.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (self.folder / "iaipd.log").read_text()[-3000:]
            time.sleep(0.05)

    def stop(self) -> None:
        self.daemon.terminate()
        assert self.daemon.wait(timeout=90) == 0


def write_notes(folder: Path) -> None:
    """Sixty notes about things in places, each with sections that only they have."""
    folder.mkdir()
    chance = random.Random(7)
    words = [f"{a}{b}" for a in ("bir", "ced", "mar", "tol", "wen", "sha") for b in ("ka", "lin", "dor", "mu", "ten")]
    for thing in THINGS:
        for place in PLACES:
            sections = "".join(
                f"\n## {matter.capitalize()} of the {thing} at the {place}\n\n"
                f"The {thing} near {place} concerns {' '.join(chance.choices(words, k=25))} and {matter}.\n"
                for matter in chance.sample(MATTERS, 3)
            )
            name = f"{thing}-{place.replace(' ', '-')}.md"
            (folder / name).write_text(f"# The {thing} at the {place}\n\nAbout {thing} and {place}.\n{sections}")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Verdict, House]:
    house = House(tmp_path_factory.mktemp("undisturbed"))
    number = house.begin()
    ended = house.end(number)
    house.stop()
    assert ended.state == "done", ended.reason
    return ended, house.verdict(number), house


def test_a_run_ends_in_a_verdict_with_every_answer_stored(undisturbed: tuple[Run, Verdict, House]) -> None:
    run, verdict, house = undisturbed
    assert verdict.outcome in ("promote", "reject", "cannot-tell")
    answers = house.books.results.answers(run.id)
    asked = {(answer.query_set, answer.query) for answer in answers}
    assert len(answers) == 3 * len(asked), "three arms answered every query"
    assert verdict.parity.problems == ()


def test_a_kill_in_every_stage_ends_in_the_same_verdict(
    undisturbed: tuple[Run, Verdict, House], tmp_path: Path
) -> None:
    _, expected, _ = undisturbed
    house = House(tmp_path)
    number = house.begin()
    killed: list[str] = []
    while house.books.jobs.run(number).state == "active":
        job = house.running(number)
        if job is not None and job.stage not in killed and job.phase is not None:
            killed.append(job.stage)
            house.kill_worker() if job.stage == "export" else house.kill_daemon()
        time.sleep(0.02)
    ended = house.end(number)
    house.stop()
    assert ended.state == "done", ended.reason
    assert set(killed) >= set(STAGE_ORDER[1:5]), "a stage went by unharmed"
    assert [job.stage for job in house.books.jobs.of_run(number)][:5] == list(STAGE_ORDER[:5])
    assert sets_of(house.verdict(number)) == sets_of(expected)
    assert house.verdict(number).outcome == expected.outcome


def sets_of(verdict: Verdict) -> object:
    """All that a verdict says of quality; times differ from run to run."""
    return msgspec.to_builtins(verdict.sets)
