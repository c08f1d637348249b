"""Embedding models by sentence-transformers: contrastive training, then an average with the base.

A tuned model knows its own notes better and everything else worse. Averaging its weights with the
base's keeps most of the gain and loses little (Wortsman et al. 2022, "Robust fine-tuning of
zero-shot models"); which share of the tuned weights serves best is measured on development queries.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)
from torch.utils.data import DataLoader
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from config.settings import EmbeddingRecipe
from jobs import checkpoints
from jobs.adapters import torch_checkpoints
from jobs.adapters.torch_checkpoints import TrainingState
from jobs.domain.artifacts import BaseModel, Progress, TrainedModel
from jobs.domain.averaging import best_share
from jobs.domain.batches import plan_batches
from jobs.domain.errors import Stopped
from jobs.domain.examples import Pair
from jobs.domain.learning import learning_rate_at, pace_for
from jobs.domain.negatives import choose_negatives
from jobs.domain.recipe import Intensity
from jobs.domain.retrieval import (
    ServedPair,
    Shelf,
    Vectors,
    development_score,
    keys_of,
    most_telling,
    serve,
    serve_for_training,
)
from jobs.ports import Report, ShouldStop
from jobs.publish import published_directory, write_file

_SEED = 7
_LARGEST_PLAIN_BATCH = 64
_CACHED_PART = 32
_QMD_CONTEXT = 2048
"""QMD embeds so many tokens of a text at most, or as many as the model has positions (its src/llm.ts)."""
_ENCODED_AT_ONCE = 512
_SCORED_AT_ONCE = 256
_REPORT_STEPS = 5
_MOST_DISTRACTORS = 500
_NOTHING_DONE = TrainingState(step=0, seed=_SEED, loss=0.0, seconds=0.0)


class SentenceTransformersTrainer:
    """EmbeddingTrainer on what the machine has: CUDA, Metal or the processor."""

    def train(
        self,
        base: BaseModel,
        recipe: EmbeddingRecipe,
        intensity: Intensity,
        train: Sequence[Pair],
        development: Sequence[Pair],
        work: Path,
        report: Report,
        should_stop: ShouldStop,
    ) -> TrainedModel:
        """Trains, averages and saves into ``work/model``. See the port for the rest."""
        started = time.monotonic()
        pace = pace_for(intensity, epochs=recipe.epochs, learning_rate=recipe.learning_rate)
        recipe = msgspec.structs.replace(recipe, epochs=pace.epochs, learning_rate=pace.peak)
        bench = _Bench(base, recipe, should_stop)
        shown = most_telling(train, recipe.most_pairs, curated_repeats=recipe.curated_repeats, seed=_SEED)
        pairs = serve_for_training(shown, base.name)
        columns = _columns(pairs, bench, work)
        tuned = _fit(pairs, columns, bench, work / "checkpoints", report)
        scores = _score_shares(serve(development, base.name), serve(shown, base.name), bench)
        share = best_share(scores)
        bench.load_share(share)
        bench.save(work / "model")
        return TrainedModel(
            directory=str(work / "model"),
            steps=tuned.step,
            seconds=tuned.seconds or time.monotonic() - started,
            final_loss=tuned.loss,
            facts=_facts(bench, columns, scores, share) | {"intensity": intensity, "pairs an epoch": str(len(pairs))},
        )


class _Bench:
    """A model on its device, with its base's weights kept beside it."""

    def __init__(self, base: BaseModel, recipe: EmbeddingRecipe, should_stop: ShouldStop) -> None:
        self.recipe = recipe
        self.should_stop = should_stop
        self.device = _device()
        self.bfloat16 = _bfloat16(recipe, self.device)
        self.model = SentenceTransformer(
            base.directory,
            device=self.device,
            local_files_only=True,
            model_kwargs={"dtype": torch.float32, "use_safetensors": True},
        )
        # With a "message" modality the text would go through a chat template, which QMD never does.
        self.model[0].modality_config.pop("message", None)
        _switch_off_dropout(self.model)
        self.context = min(_QMD_CONTEXT, _positions(self.model))
        self.model.max_seq_length = min(recipe.max_tokens, self.context)
        self.base_weights = _copy(self.model.state_dict())
        self.tuned_weights = self.base_weights

    def load_share(self, share: float) -> None:
        """Puts ``share`` of the tuned and the rest of the base's weights into the model."""
        mixed = {
            name: torch.lerp(base, self.tuned_weights[name], share) if base.is_floating_point() else base
            for name, base in self.base_weights.items()
        }
        self.model.load_state_dict(mixed)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One vector of length 1 a text. Raises Stopped between parts."""
        order = sorted(range(len(texts)), key=lambda index: -len(texts[index]))
        vectors = np.zeros((len(texts), self.model.get_embedding_dimension() or 0), dtype=np.float32)
        for start in range(0, len(texts), _ENCODED_AT_ONCE):
            self.stop_if_asked()
            part = order[start : start + _ENCODED_AT_ONCE]
            with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.bfloat16):
                encoded = self.model.encode(
                    [texts[index] for index in part],
                    batch_size=_CACHED_PART,
                    normalize_embeddings=True,
                    show_progress_bar=False,
                    convert_to_numpy=False,
                    convert_to_tensor=True,
                )
            vectors[part] = encoded.float().cpu().numpy()
        return vectors

    def stop_if_asked(self) -> None:
        if self.should_stop():
            raise Stopped("the training was asked to stop", remedy="it goes on from its checkpoint at the next run")

    def save(self, directory: Path) -> None:
        """Writes the model as it will serve: with the whole context QMD gives it. No card: it would quote examples."""
        self.model.max_seq_length = self.context
        with published_directory(directory) as stage:
            self.model.save_pretrained(str(stage), create_model_card=False, safe_serialization=True)


def _device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _bfloat16(recipe: EmbeddingRecipe, device: str) -> bool:
    """Processors with bfloat16 instructions train twice as fast with it, others slower; Metal is unmeasured."""
    if recipe.precision != "auto":
        return recipe.precision == "bfloat16"
    if device == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return device == "cuda" and bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _switch_off_dropout(model: SentenceTransformer) -> None:
    """A few gentle epochs don't overfit for want of it, and attention with dropout is written out in full.

    Measured on MiniLM, batch 32, 254 tokens, bfloat16, one core: a step takes 3.2 s and 2.2 GB without
    dropout, 7.7 s and 4.6 GB with it.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0


def _positions(model: SentenceTransformer) -> int:
    config = model[0].auto_model.config
    return int(getattr(config, "max_position_embeddings", _QMD_CONTEXT))


def _copy(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in weights.items()}


def _columns(pairs: Sequence[ServedPair], bench: _Bench, work: Path) -> dict[str, list[str]]:
    """The texts of every example: its query, its passage and its hard negatives, mined once and kept."""
    shelf = Shelf(pairs)
    columns = {"query": [pair.query for pair in pairs], "passage": [pair.passage for pair in pairs]}
    count = bench.recipe.hard_negatives
    if count == 0:
        return columns
    record = work / "negatives.json"
    if not record.exists():
        write_file(record, msgspec.json.encode(_mine(pairs, shelf, bench)))
    mined = msgspec.json.decode(record.read_bytes(), type=list[list[int]])
    # A column needs an entry for every example: none at all where the shelf is too small for some.
    for rank in range(min(map(len, mined), default=0)):
        columns[f"negative_{rank}"] = [shelf.passages[chosen[rank]] for chosen in mined]
    return columns


def _mine(pairs: Sequence[ServedPair], shelf: Shelf, bench: _Bench) -> list[list[int]]:
    """For each pair the places on the shelf of its hard negatives, as the base sees them."""
    passages = bench.encode(shelf.passages)
    queries = bench.encode([pair.query for pair in pairs])
    chance = np.random.default_rng(_SEED)
    mined: list[list[int]] = []
    for start in range(0, len(pairs), _SCORED_AT_ONCE):
        bench.stop_if_asked()
        scores = queries[start : start + _SCORED_AT_ONCE] @ passages.T
        for pair, row in zip(pairs[start : start + _SCORED_AT_ONCE], scores, strict=True):
            mined.append(
                choose_negatives(
                    row,
                    shelf.place[pair.passage],
                    shelf.related(pair),
                    count=bench.recipe.hard_negatives,
                    margin=bench.recipe.negative_margin,
                    chance=chance,
                )
            )
    return mined


def _fit(
    pairs: Sequence[ServedPair], columns: dict[str, list[str]], bench: _Bench, directory: Path, report: Report
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
    bench.tuned_weights = _copy(bench.model.state_dict())
    return state


def _token_counts(columns: Mapping[str, Sequence[str]], bench: _Bench) -> list[int]:
    """Tokens of each example's longest text, as truncated."""
    counts = [0] * len(columns["query"])
    for texts in columns.values():
        encoded = bench.model.tokenizer(list(texts), truncation=True, max_length=bench.model.max_seq_length)
        counts = [max(most, len(ids)) for most, ids in zip(counts, encoded["input_ids"], strict=True)]
    return counts


@dataclass(kw_only=True)
class _Course:
    """One training on planned batches, from wherever its checkpoints say it stands."""

    bench: _Bench
    batches: list[list[int]]
    directory: Path
    report: Report
    state: TrainingState = _NOTHING_DONE

    def resume(self) -> TrainingState:
        checkpoint = checkpoints.newest(self.directory)
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
        stopping = course.bench.should_stop()
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


def _loss(bench: _Bench) -> torch.nn.Module:
    if bench.recipe.batch_size > _LARGEST_PLAIN_BATCH:
        return CachedMultipleNegativesRankingLoss(bench.model, scale=bench.recipe.scale, mini_batch_size=_CACHED_PART)
    return MultipleNegativesRankingLoss(bench.model, scale=bench.recipe.scale)


def _score_shares(development: Sequence[ServedPair], train: Sequence[ServedPair], bench: _Bench) -> dict[float, float]:
    """The development score of the base (share 0) and of each share of the tuned weights.

    Candidates are the development passages and, to be confused with, some of training.
    """
    distractors = random.Random(_SEED).sample(list(train), min(_MOST_DISTRACTORS, len(train)))
    shelf = Shelf([*development, *distractors])
    queries = list({pair.query: pair for pair in development}.values())
    scores: dict[float, float] = {}
    for share in sorted({0.0, *bench.recipe.average_weights}):
        bench.load_share(share)
        vectors = bench.encode(shelf.passages if queries else [])
        scores[share] = development_score(queries, shelf, bench.encode([query.query for query in queries]), vectors)
    return scores


def _facts(
    bench: _Bench, columns: Mapping[str, Sequence[str]], scores: Mapping[float, float], share: float
) -> dict[str, str]:
    base = scores[0.0]
    facts = {
        "device": bench.device,
        "precision": "bfloat16" if bench.bfloat16 else "float32",
        "loss": "cached" if bench.recipe.batch_size > _LARGEST_PLAIN_BATCH else "plain",
        "negatives": str(len(columns) - 2),
        "share": f"{share:g}",
        "torch": str(torch.__version__),
    }
    facts |= {f"development nDCG@10 at share {tried:g}": f"{score:.4f}" for tried, score in scores.items()}
    if base >= scores[share] > 0:
        facts["development"] = "no share of the tuned weights searched better than the base"
    return facts
