"""What every stage works with: the home, the settings, the ports, and where it reports to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from config.paths import Home
from config.settings import EmbeddingRecipe, ExpansionRecipe, Settings
from jobs.domain.artifacts import BaseModel, ReleaseMetadata
from jobs.domain.examples import Target
from jobs.domain.lineage import Provenance
from jobs.keys import Keys
from jobs.ports import (
    Corpus,
    EmbeddingTrainer,
    ExpansionTrainer,
    Exporter,
    Scorer,
    SearchEngine,
    ShouldStop,
    TokenCounter,
)
from jobs.publish import write_file
from jobs.releases import Releases
from jobs.wire import Event, Phase

Result = TypeVar("Result", bound=Struct)

RESULT = "result.json"
RUN_MARK = "needed-by-run-"
"""A stage's directory holds one such file for every run that used it. In it, for a training: the plan's digest."""
STAYS_PLAIN = (RESULT, RUN_MARK)
"""What a sealed stage still tells: that it is whole, in figures, and who needs it."""


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Built once by the worker. The heavy parts are thunks: a stage loads only what it uses."""

    home: Home
    settings: Settings
    keys: Keys
    corpus: Corpus
    token_counter: Callable[[], TokenCounter | None]
    releases: Releases
    search: SearchEngine
    scorer: Callable[[], Scorer]
    base_model: Callable[[Target], BaseModel]
    embedding_trainer: Callable[[], EmbeddingTrainer]
    expansion_trainer: Callable[[], ExpansionTrainer]
    exporter: Callable[[], Exporter]
    bill_of_materials: Callable[[ReleaseMetadata, Mapping[str, Provenance]], bytes]
    emit: Callable[[Event], None]
    should_stop: ShouldStop

    def phase(self, text: str, done: int = 0, total: int = 0) -> None:
        self.emit(Phase(text=text, done=done, total=total))

    def rest_if_told(self) -> None:
        """Between two pieces of work that are not steps of a training: slows or waits as the daemon ordered."""
        self.should_stop()

    def recipe(self, target: Target) -> EmbeddingRecipe | ExpansionRecipe:
        return self.settings.embedding if target == "embedding" else self.settings.expansion


def once(
    directory: Path, kind: type[Result], work: Callable[[Path], Result], *, run: int | None = None, plan: str = ""
) -> Result:
    """The result of ``work(directory)``, computed at most once per directory.

    ``result.json`` is written last and atomically: it is there exactly when the work is whole. Before
    anything else the directory is marked as needed by ``run``, under ``plan``, so that nobody clears it away.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if run is not None:
        write_file(directory / f"{RUN_MARK}{run}", plan.encode())
    record = directory / RESULT
    if record.exists():
        return msgspec.json.decode(record.read_bytes(), type=kind)
    result = work(directory)
    write_file(record, msgspec.json.encode(result))
    return result
