"""One contrastive training on planned batches, resumed exactly from its newest checkpoint."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)
from torch.utils.data import DataLoader
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from jobs import checkpoints
from jobs.adapters import torch_checkpoints
from jobs.adapters.embedding_model import EmbeddingModel, copied
from jobs.adapters.safetensors_files import is_whole_checkpoint
from jobs.adapters.torch_checkpoints import TrainingState
from jobs.domain.artifacts import Progress
from jobs.domain.batches import plan_batches
from jobs.domain.learning import learning_rate_at
from jobs.domain.retrieval import (
    ServedPair,
    keys_of,
)
from jobs.ports import Report

_SEED = 7
LARGEST_PLAIN_BATCH = 32
_CACHED_PART = 32
_REPORT_STEPS = 5
_NOTHING_DONE = TrainingState(step=0, seed=_SEED, loss=0.0, seconds=0.0)


def fit(
    pairs: Sequence[ServedPair], columns: dict[str, list[str]], bench: EmbeddingModel, directory: Path, report: Report
) -> TrainingState:
    """Trains from the newest checkpoint to the last step, and leaves the tuned weights with the bench."""
    batches = plan_batches(
        _token_counts(columns, bench),
        [keys_of(pair) for pair in pairs],
        batch_size=bench.recipe.batch_size,
        epochs=bench.recipe.epochs,
        seed=_SEED,
    )
    course = _Course(bench=bench, batches=batches, directory=directory, report=report)
    state = course.resume()
    if state.step < len(batches):
        state = course.run(columns)
    bench.tuned_weights = copied(bench.model.state_dict())
    return state


def _token_counts(columns: Mapping[str, Sequence[str]], bench: EmbeddingModel) -> list[int]:
    """Tokens of each example's longest text, as truncated."""
    counts = [0] * len(columns["query"])
    for texts in columns.values():
        encoded = bench.model.tokenizer(list(texts), truncation=True, max_length=bench.model.max_seq_length)
        counts = [max(most, len(ids)) for most, ids in zip(counts, encoded["input_ids"], strict=True)]
    return counts


@dataclass(kw_only=True)
class _Course:
    """One training on planned batches, from wherever its checkpoints say it stands."""

    bench: EmbeddingModel
    batches: list[list[int]]
    directory: Path
    report: Report
    state: TrainingState = _NOTHING_DONE

    def resume(self) -> TrainingState:
        checkpoint = checkpoints.newest_whole(self.directory, is_whole_checkpoint)
        if checkpoint is not None:
            self.state = torch_checkpoints.read_state(checkpoint)
            self.bench.model.load_state_dict(torch_checkpoints.read_weights(checkpoint))
        return self.state

    def run(self, columns: dict[str, list[str]]) -> TrainingState:
        """Raises Stopped with a checkpoint published."""
        optimizer = self._optimizer()
        start = self.state.step
        total = len(self.batches)
        warmup = self.bench.recipe.warmup_share
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda step: learning_rate_at(min(start + step, total - 1), steps=total, warmup_share=warmup, peak=1.0),
        )
        trainer = _Trainer(
            batches=self.batches[start:],
            model=self.bench.model,
            args=self._arguments(total - start),
            train_dataset=Dataset.from_dict(columns),
            loss=_loss(self.bench),
            optimizers=(optimizer, schedule),
            callbacks=[_Watch(self, optimizer)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        if self.state.step < total:
            self.bench.stop_if_asked()
        return self.state

    def publish(self, optimizer: torch.optim.Optimizer) -> None:
        torch_checkpoints.save(self.directory, self.bench.model.state_dict(), optimizer, self.state)

    def _optimizer(self) -> torch.optim.Optimizer:
        trained = [parameter for parameter in self.bench.model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=self.bench.recipe.learning_rate, weight_decay=0.0, fused=True)
        checkpoint = checkpoints.newest(self.directory)
        if checkpoint is not None:
            torch_checkpoints.restore_optimizer(checkpoint, optimizer)
        return optimizer

    def _arguments(self, steps: int) -> SentenceTransformerTrainingArguments:
        return SentenceTransformerTrainingArguments(
            output_dir=str(self.directory.parent / "trainer"),
            max_steps=steps,
            per_device_train_batch_size=self.bench.recipe.batch_size,
            bf16=self.bench.bfloat16,
            use_cpu=self.bench.device == "cpu",
            seed=_SEED,
            save_strategy="no",
            eval_strategy="no",
            logging_strategy="steps",
            logging_steps=1,
            report_to="none",
            disable_tqdm=True,
            dataloader_num_workers=0,
            remove_unused_columns=False,
        )


class _Trainer(SentenceTransformerTrainer):
    """The library's trainer, on batches that were planned before, and without a model card: it would quote examples."""

    def __init__(self, *, batches: list[list[int]], **arguments: Any) -> None:
        self._batches = batches
        super().__init__(**arguments)

    def get_train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.train_dataset, batch_sampler=self._batches, collate_fn=self.data_collator)

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        pass


class _Watch(TrainerCallback):
    """Seeds, counts, reports and saves at step boundaries."""

    def __init__(self, course: _Course, optimizer: torch.optim.Optimizer) -> None:
        self._course = course
        self._optimizer = optimizer
        self._start = course.state
        self._began = time.monotonic()
        self._pairs = 0

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        torch_checkpoints.seed_step(_SEED, self._course.state.step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        course = self._course
        self._pairs += len(course.batches[course.state.step])
        step = course.state.step + 1
        seconds = self._start.seconds + time.monotonic() - self._began
        course.state = msgspec.structs.replace(course.state, step=step, seconds=seconds)
        asked = time.monotonic()
        stopping = course.bench.should_stop()
        self._began += time.monotonic() - asked  # rests and pauses are no training time
        if stopping or step == len(course.batches) or step % course.bench.recipe.checkpoint_steps == 0:
            course.publish(self._optimizer)
        control.should_training_stop |= stopping

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        course = self._course
        if not logs or "loss" not in logs:
            return
        course.state = msgspec.structs.replace(course.state, loss=logs["loss"])
        if course.state.step % _REPORT_STEPS == 0 or course.state.step == len(course.batches):
            course.report(self._progress())

    def _progress(self) -> Progress:
        course = self._course
        rate = self._pairs / max(time.monotonic() - self._began, 1e-6)
        left = sum(map(len, course.batches[course.state.step :]))
        return Progress(
            step=course.state.step,
            steps=len(course.batches),
            loss=course.state.loss,
            rate=rate,
            unit="pairs",
            eta=left / rate,
        )


def _loss(bench: EmbeddingModel) -> torch.nn.Module:
    if bench.recipe.batch_size > LARGEST_PLAIN_BATCH:
        return CachedMultipleNegativesRankingLoss(bench.model, scale=bench.recipe.scale, mini_batch_size=_CACHED_PART)
    return MultipleNegativesRankingLoss(bench.model, scale=bench.recipe.scale)
