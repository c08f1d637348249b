"""SIGTERM in the middle of a real training: a checkpoint, an orderly end, and on from there to the same bits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from config.load import load_settings
from config.paths import Home
from daemon.ledger.books import Books, open_books, read_books
from daemon.ledger.records import Job, Owner
from jobs import checkpoints
from jobs.adapters.base_models import BaseModels
from jobs.adapters.qmd import Qmd
from jobs.adapters.qmd_process import QmdTools
from jobs.canary import CanaryResult, canary_place, tools_in_use
from jobs.dataset.build import build, load
from jobs.domain.artifacts import Parity, TrainedModel
from jobs.domain.recipe import Lesson, Plan
from jobs.domain.results import DatasetResult
from jobs.publish import write_file
from jobs.worker import llama_cpp_exporter
from tests.fakes.tiny_bert import write_tiny_bert
from tests.house import keys_of
from tests.unit.dataset.sample import classify, notes, quiet

pytestmark = [pytest.mark.ml, pytest.mark.qmd, pytest.mark.slow]
pytest.importorskip("sentence_transformers")

SECONDS_TO_STOP = 60.0
SETTINGS = """
[dataset]
minimum_pairs = 1
[embedding]
base = "{base}"
epochs = 8
batch_size = 4
learning_rate = 1e-3
max_tokens = 32
precision = "float32"
checkpoint_steps = 1000
"""


class House:
    """A home in which a run stands before its train stage, and a daemon that can be stopped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = Home(root=folder / "home")
        base = write_tiny_bert(folder / "tiny-bert")
        (folder / "notes").mkdir()
        (folder / "qmd").mkdir()
        (folder / "qmd" / "index.yml").write_text(
            f"collections:\n  notes:\n    path: {folder / 'notes'}\n    pattern: '**/*.md'\n"
        )
        self.home.root.mkdir(mode=0o700)
        write_file(self.home.config_file, SETTINGS.format(base=base).encode())
        self.environment = {
            **os.environ,
            "IAIP_HOME": str(self.home.root),
            "QMD_CONFIG_DIR": str(folder / "qmd"),
            "INDEX_PATH": str(folder / "qmd" / "index.sqlite"),
        }
        init = [sys.executable, "-m", "daemon.cli", "init"]
        subprocess.run(init, env=self.environment, capture_output=True, timeout=60, check=True)
        self.settings = load_settings(self.home.config_file)
        self._fly_the_canary_before()
        self.job = self._stand_before_training()
        self.books: Books = read_books(self.home.ledger)

    def _fly_the_canary_before(self) -> None:
        """What a base and its tools were found to be worth earlier; flying it again is another test's affair."""
        base = BaseModels(self.home.base_models).resolve(self.settings.embedding.base, "embedding")
        tools = tools_in_use(llama_cpp_exporter(self.settings), Qmd(lambda: QmdTools.find(self.settings.qmd)))
        folder = canary_place(self.home.stages, base, tools, self.settings.embedding.quantisation)
        flown = CanaryResult(base=base.name, tools=tools, parity=Parity(measures={}, problems=()))
        write_file(folder / "result.json", msgspec.json.encode(flown))

    def _stand_before_training(self) -> int:
        corpus = notes(60)
        classify(self.home, kb="public")
        manifest = build("embedding", corpus.inputs(self.home, self.settings), quiet)
        results = {
            "dataset": DatasetResult(dataset=manifest.name, rows=manifest.counts.rows),
            "baseline": {"plan": Plan(intensity="firm", reason="a test")},
        }
        books, now = open_books(self.home.ledger), datetime.now(UTC)
        started = books.jobs.start_run("embedding", cause="test", forced=True, now=now)
        assert started is not None
        for stage, following in (("dataset", "baseline"), ("baseline", "train")):
            [waiting] = books.jobs.in_state("queued")
            claimed = books.jobs.claim(waiting.id, Owner(boot="b", pid=1, started=1.0), now)
            assert claimed is not None and claimed.stage == stage
            books.jobs.finish(claimed, msgspec.to_builtins(results[stage]), following, now)  # type: ignore[arg-type]
        [waiting] = books.jobs.in_state("queued")
        books.database.close()
        return waiting.id

    def start(self) -> subprocess.Popen[bytes]:
        with (self.folder / "iaipd.log").open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", "daemon"], env=self.environment, stdout=log, stderr=log)

    def training(self) -> Job:
        return self.books.jobs.job(self.job)

    def checkpoint(self) -> Path | None:
        [work] = [path for path in self.home.stages.iterdir() if path.name.startswith("train-")]
        return checkpoints.newest(work / "checkpoints")

    def train_without_a_stop(self, work: Path) -> TrainedModel:
        from jobs.adapters.sentence_transformers import SentenceTransformersTrainer

        earlier = self.books.jobs.of_run(self.training().run or 0)[0].result
        dataset = load(self.home.datasets / msgspec.convert(earlier, DatasetResult).dataset, keys_of(self.home))
        base = BaseModels(self.home.base_models).resolve(self.settings.embedding.base, "embedding")
        lesson = Lesson(
            base=base,
            recipe=self.settings.embedding,
            intensity="firm",
            train=dataset.pairs("train"),
            development=dataset.pairs("development"),
        )
        return SentenceTransformersTrainer().train(lesson, work, lambda _: None, lambda: False)


def until(condition: Callable[[], bool], seconds: float = 180.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def stop(daemon: subprocess.Popen[bytes]) -> float:
    """Asks it to end; returns the seconds it took."""
    began = time.monotonic()
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=SECONDS_TO_STOP) == 0
    return time.monotonic() - began


def test_a_stopped_training_is_put_back_with_a_checkpoint_and_ends_in_the_same_bits(tmp_path: Path) -> None:
    house = House(tmp_path)
    daemon = house.start()
    try:
        until(lambda: (shown := house.training().progress) is not None and shown.step >= 10)
        seconds = stop(daemon)
        assert seconds < SECONDS_TO_STOP
        put_back, kept = house.training(), house.checkpoint()
        assert (put_back.state, put_back.attempts, put_back.owner) == ("queued", 0, None)
        assert kept is not None and checkpoints.step_of(kept) >= 10
        daemon = house.start()
        until(lambda: house.training().state == "done")
    finally:
        stop(daemon)
    trained = msgspec.convert(house.training().result, TrainedModel)
    assert trained.steps > checkpoints.step_of(kept)
    whole = house.train_without_a_stop(tmp_path / "whole")
    for name in ("model.safetensors", "config.json"):
        assert (Path(trained.directory) / name).read_bytes() == (Path(whole.directory) / name).read_bytes()
    assert trained.final_loss == whole.final_loss
