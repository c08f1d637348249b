"""One LoRA training of the expansion model: the loop around whatever library computes.

The library stands behind ``LoraEngine``. Order, pace, checkpoints, progress and the merged directory are the same
for all, so that a run differs between machines in its arithmetic alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

from config.settings import ExpansionRecipe
from jobs import checkpoints
from jobs.adapters.expansion_rows import Batch, Row, batch_of
from jobs.adapters.lora_files import copy_all_but_weights, require_trainable
from jobs.adapters.lora_plan import SEED, Cursor, Plan, Precision, first_cursor, plan_training, read_cursor
from jobs.adapters.safetensors_files import is_whole_checkpoint, require_whole_weights
from jobs.domain.artifacts import Progress, TrainedModel
from jobs.domain.errors import Stopped, ToolFailed
from jobs.domain.examples import Expansion
from jobs.domain.learning import learning_rate_at
from jobs.domain.recipe import Lesson
from jobs.ports import Report, ShouldStop
from jobs.publish import published_directory, remove_directory

MERGE_TOLERANCE = 0.01
_LOSS_WINDOW = 20
_REPORT_SECONDS = 1.0


class LoraShape(Struct, frozen=True, kw_only=True):
    """All linear projections get ``alpha / rank · B·A``. ``precision`` none: what the machine is measured to like."""

    rank: int
    alpha: int
    seed: int
    precision: Precision | None


class LoraEngine(Protocol):
    """A base with a fresh adapter, and its optimizer. Losses are means over the answer tokens of a batch."""

    @property
    def precision(self) -> Precision: ...

    @property
    def width_multiple(self) -> int:
        """Batches should be as wide as a multiple of this."""
        ...

    def step(self, batch: Batch, learning_rate: float) -> float:
        """Learns from one batch; returns its loss before that."""
        ...

    def loss(self, batch: Batch) -> float: ...

    def save(self, directory: Path) -> None:
        """Writes adapter, optimizer and random state as safetensors."""
        ...

    def load(self, directory: Path) -> None:
        """Goes on exactly where ``save`` was called. To be called before the first step."""
        ...

    def merge(self, base: Path, merged: Path, probe: Row) -> float:
        """Writes the merged weights under the base's file and tensor names and reads them back.

        The merged projections are in float32, all else is as in the base: rounding them to a base's bfloat16 would
        lose a tenth of what was learned (measured on SmolLM2: logits 5 % off, where training moved them by 61 %).
        Returns how far the merged model's logits on ``probe`` are from the adapter's, both computed in float32: the
        root mean square of the difference over that of the logits around their mean. The engine is spent afterwards.
        """
        ...


OpenEngine = Callable[[Path, LoraShape], LoraEngine]


@dataclass(frozen=True, kw_only=True)
class LoraTrainer:
    """An ExpansionTrainer. ``tool`` names the library and its version."""

    tool: str
    open_engine: OpenEngine

    def train(
        self, lesson: Lesson[ExpansionRecipe, Expansion], work: Path, report: Report, should_stop: ShouldStop
    ) -> TrainedModel:
        """As the port says. The merged model is ``work/merged``.

        Raises BadInput for a base that cannot be trained, NotEnough without a row to learn from, ToolFailed if the
        loss leaves the numbers or the merged model is not the trained one.
        """
        directory = Path(lesson.base.directory)
        require_trainable(directory)
        plan = plan_training(lesson)
        found = checkpoints.newest_whole(work / "checkpoints", is_whole_checkpoint)
        cursor = read_cursor(found, plan.inputs) if found else None
        engine = self.open_engine(directory, _shape(lesson.recipe, cursor))
        if found:
            engine.load(found)
        session = _Session(engine, plan, lesson.recipe, work / "checkpoints", report, should_stop)
        cursor = session.run(cursor or first_cursor(plan.inputs, engine.precision))
        tuned_loss = session.development_loss(cursor)
        difference = _publish_merged(engine, directory, work / "merged", plan.rows[0])
        facts = _facts(plan, lesson.recipe, cursor) | {
            "trainer": self.tool,
            "development_loss_tuned": _shown(tuned_loss),
            "merge_difference": f"{difference:.2g}",
        }
        return TrainedModel(
            directory=str(work / "merged"),
            steps=cursor.step,
            seconds=cursor.seconds,
            final_loss=_mean(cursor.losses),
            facts=facts,
        )


class _Session:
    """One sitting at a training: from a cursor to the last step, or to the stop."""

    def __init__(
        self,
        engine: LoraEngine,
        plan: Plan,
        recipe: ExpansionRecipe,
        directory: Path,
        report: Report,
        should_stop: ShouldStop,
    ) -> None:
        self._engine = engine
        self._plan = plan
        self._recipe = recipe
        self._directory = directory
        self._report = report
        self._should_stop = should_stop
        self._reported_at = -math.inf

    def run(self, cursor: Cursor) -> Cursor:
        """The cursor after the last step, which is checkpointed too. Raises Stopped."""
        if cursor.step == 0 and cursor.base_loss is None:
            cursor = msgspec.structs.replace(cursor, base_loss=self.development_loss(cursor))
        while cursor.step < self._plan.steps:
            self._stop_if_asked(cursor)
            cursor = self._step(cursor)
            self._tell(cursor)
            if cursor.step % self._recipe.checkpoint_steps == 0 or cursor.step == self._plan.steps:
                self._checkpoint(cursor)
        return cursor

    def development_loss(self, cursor: Cursor) -> float | None:
        """The mean loss over the answer tokens of the development rows, none without rows. Raises Stopped."""
        total = tokens = 0.0
        for batch in self._development_batches():
            self._stop_if_asked(cursor)
            total += self._engine.loss(batch) * batch.answer_tokens
            tokens += batch.answer_tokens
        return total / tokens if tokens else None

    def _development_batches(self) -> Iterator[Batch]:
        rows = sorted(self._plan.development, key=lambda row: len(row.tokens))
        for start in range(0, len(rows), self._recipe.batch_size):
            yield batch_of(rows[start : start + self._recipe.batch_size], multiple=self._engine.width_multiple)

    def _step(self, cursor: Cursor) -> Cursor:
        rows = [self._plan.rows[row] for row in self._plan.batches[cursor.step]]
        rate = learning_rate_at(
            cursor.step, steps=self._plan.steps, warmup_share=self._recipe.warmup_share, peak=self._plan.pace.peak
        )
        began = time.perf_counter()
        batch = batch_of(rows, multiple=self._engine.width_multiple)
        loss = self._engine.step(batch, rate)
        if not math.isfinite(loss):
            raise ToolFailed(
                f"the loss left the numbers at step {cursor.step + 1}",
                remedy='lower [expansion] learning_rate, or set precision = "float32", in config.toml',
            )
        step = cursor.step + 1
        epoch, position = divmod(step, self._plan.steps // self._plan.pace.epochs)
        return msgspec.structs.replace(
            cursor,
            step=step,
            epoch=epoch,
            batch=position,
            learning_rate=rate,
            tokens=cursor.tokens + batch.answer_tokens,
            seconds=cursor.seconds + time.perf_counter() - began,
            losses=(*cursor.losses, loss)[-_LOSS_WINDOW:],
        )

    def _tell(self, cursor: Cursor) -> None:
        """At most once a second, and at the end: the events go into the ledger."""
        now = time.monotonic()
        if now - self._reported_at < _REPORT_SECONDS and cursor.step < self._plan.steps:
            return
        self._reported_at = now
        left = self._plan.steps - cursor.step
        self._report(
            Progress(
                step=cursor.step,
                steps=self._plan.steps,
                loss=_mean(cursor.losses),
                rate=cursor.tokens / cursor.seconds,
                unit="tokens",
                eta=cursor.seconds / cursor.step * left,
            )
        )

    def _stop_if_asked(self, cursor: Cursor) -> None:
        if self._should_stop():
            self._checkpoint(cursor)
            raise Stopped(
                f"stopped after step {cursor.step} of {self._plan.steps}; the checkpoint is safe",
                remedy="nothing to do: it goes on from there when the job runs again",
            )

    def _checkpoint(self, cursor: Cursor) -> None:
        with checkpoints.publish(self._directory, cursor.step, require_whole_weights) as stage:
            self._engine.save(stage)
            (stage / "cursor.json").write_bytes(msgspec.json.encode(cursor))
        checkpoints.prune(self._directory)


def _publish_merged(engine: LoraEngine, base: Path, merged: Path, probe: Row) -> float:
    """As ``LoraEngine.merge``, whole or not at all. Raises ToolFailed if the merged model is not the trained one."""
    remove_directory(merged)
    with published_directory(merged, verify=require_whole_weights) as stage:
        copy_all_but_weights(base, stage)
        difference = engine.merge(base, stage, probe)
        if not difference <= MERGE_TOLERANCE:
            raise ToolFailed(
                f"the merged model is not the trained one: its logits differ by {difference:.3f}",
                remedy="choose another base ([expansion] base in config.toml)",
            )
    return difference


def _facts(plan: Plan, recipe: ExpansionRecipe, cursor: Cursor) -> dict[str, str]:
    return {
        "precision": cursor.precision,
        "adapter": f"rank {recipe.rank}, alpha {recipe.alpha}, all linear projections",
        "epochs": str(plan.pace.epochs),
        "learning_rate": f"{plan.pace.peak:g}",
        "seed": str(SEED),
        "rows": str(len(plan.rows)),
        "development_rows": str(len(plan.development)),
        "development_loss_base": _shown(cursor.base_loss),
        "trained_tokens": str(cursor.tokens),
        "tokens_per_second": f"{cursor.tokens / cursor.seconds:.1f}",
    }


def _shape(recipe: ExpansionRecipe, cursor: Cursor | None) -> LoraShape:
    """A resumed training keeps the precision it began with, whatever this machine would now choose."""
    asked = None if recipe.precision == "auto" else recipe.precision
    return LoraShape(rank=recipe.rank, alpha=recipe.alpha, seed=SEED, precision=cursor.precision if cursor else asked)


def _mean(losses: Sequence[float]) -> float:
    return sum(losses) / len(losses)


def _shown(loss: float | None) -> str:
    return "not measured (no development rows)" if loss is None else f"{loss:.4f}"
