"""Measures of the expansion trainers: trained tokens a second beside a raw loop over the same library.

The data (rows of ``{"query": ..., "output": [[kind, text], ...]}`` in a gzipped JSONL file, as QMD's own training
data is written) is never part of this repository: its file is an argument.
"""

from __future__ import annotations

import contextlib
import gzip
import importlib.util
import json
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from config.settings import ExpansionRecipe
from jobs.adapters.chat_tokenizer import HuggingFaceChat
from jobs.adapters.expansion_rows import Row, rows_of
from jobs.adapters.lora_files import PROJECTIONS
from jobs.adapters.lora_training import LoraTrainer
from jobs.domain.artifacts import BaseModel
from jobs.domain.corpus import DocumentId
from jobs.domain.examples import Expansion, ExpansionLine, Origin
from jobs.domain.recipe import Lesson

ROWS = 64
SEED = 3
_IGNORED = -100


class SpeedResult(Struct, frozen=True, kw_only=True):
    """Trained (answer) tokens a second of the product's trainer and of the raw loop: same base, rows and batch size."""

    product: float
    raw: float


def expansions(file: Path, count: int) -> list[Expansion]:
    """``count`` rows that have all three kinds of line, one a query, in an order of their own."""
    found: dict[str, Expansion] = {}
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if {kind for kind, _ in row["output"]} == {"lex", "vec", "hyde"}:
                found.setdefault(row["query"], _expansion(row["query"], row["output"]))
    chosen = list(found.values())
    random.Random(SEED).shuffle(chosen)
    return chosen[:count]


def measure_speed(
    base: BaseModel, recipe: ExpansionRecipe, train: Sequence[Expansion], work: Path
) -> dict[str, SpeedResult]:
    """One epoch each, by library. ``mlx`` is measured on Linux with mlx-lm's own ``train``.

    On a Mac that function would raise the wired-memory limit, which the product never does: it is left out there.
    """
    from jobs.adapters.peft_lora import peft_trainer

    once = msgspec.structs.replace(recipe, epochs=1, checkpoint_steps=1_000_000)
    rows = rows_of(train, HuggingFaceChat(Path(base.directory)), recipe.max_tokens)
    half = msgspec.structs.replace(once, precision="bfloat16")
    speeds = {
        "peft": SpeedResult(
            raw=raw_peft(Path(base.directory), half, rows), product=_product(peft_trainer(), base, once, train, work)
        )
    }
    if sys.platform == "linux" and importlib.util.find_spec("mlx_lm"):
        from jobs.adapters.mlx_lora import mlx_trainer

        whole = msgspec.structs.replace(once, precision="float32")
        product = _product(mlx_trainer(), base, whole, train, work)
        speeds["mlx"] = SpeedResult(product=product, raw=raw_mlx(Path(base.directory), whole, rows, work))
    return speeds


def raw_peft(base: Path, recipe: ExpansionRecipe, rows: Sequence[Row]) -> float:
    """The loop one writes first: a bfloat16 base under peft's defaults, shuffled rows, AdamW, the model's own loss."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16, local_files_only=True)
    adapter = LoraConfig(
        r=recipe.rank, lora_alpha=recipe.alpha, target_modules=list(PROJECTIONS), task_type="CAUSAL_LM"
    )
    model: Any = get_peft_model(loaded, adapter)
    optimizer = torch.optim.AdamW((weight for weight in model.parameters() if weight.requires_grad), lr=1e-4)
    shuffled = random.Random(SEED).sample(list(rows), len(rows))
    model.train()
    began = time.perf_counter()
    for start in range(0, len(shuffled), recipe.batch_size):
        batch = shuffled[start : start + recipe.batch_size]
        width = max(len(row.tokens) for row in batch)
        tokens = torch.tensor([(*row.tokens, *[0] * (width - len(row.tokens))) for row in batch])
        labels = tokens.clone()
        mask = torch.ones_like(tokens)
        for at, row in enumerate(batch):
            labels[at, : row.prompt] = _IGNORED
            labels[at, len(row.tokens) :] = _IGNORED
            mask[at, len(row.tokens) :] = 0
        model(input_ids=tokens, attention_mask=mask, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return _answer_tokens(rows) / (time.perf_counter() - began)


def raw_mlx(base: Path, recipe: ExpansionRecipe, rows: Sequence[Row], work: Path) -> float:
    """mlx-lm's own training function, with OpenBLAS and a float32 base. It drops the last, partial batch."""
    from jobs.adapters import openblas

    openblas.preload()
    import mlx.core as mx
    from mlx import optimizers
    from mlx_lm.tuner.trainer import TrainingArgs, TrainingCallback
    from mlx_lm.tuner.trainer import train as train_raw
    from mlx_lm.tuner.utils import linear_to_lora_layers
    from mlx_lm.utils import load_model

    model, _ = load_model(base, lazy=True)
    model.set_dtype(mx.float32)
    model.freeze()
    config = {"rank": recipe.rank, "scale": recipe.alpha / recipe.rank, "dropout": 0.0}
    linear_to_lora_layers(model, len(model.layers), config)
    iterations = len(rows) // recipe.batch_size
    arguments = TrainingArgs(
        batch_size=recipe.batch_size,
        iters=iterations,
        steps_per_report=iterations,
        max_seq_length=recipe.max_tokens,
        adapter_file=str(work / "raw-mlx.safetensors"),
    )
    measured: list[float] = []

    class Listener(TrainingCallback):  # type: ignore[misc]
        def on_train_loss_report(self, train_info: dict[str, float]) -> None:
            measured.append(train_info["tokens_per_second"])

    data = [(list(row.tokens), row.prompt) for row in rows]
    with contextlib.redirect_stdout(sys.stderr):
        train_raw(model, optimizers.AdamW(learning_rate=1e-4), data, args=arguments, training_callback=Listener())
    return measured[-1]


def _product(
    trainer: LoraTrainer, base: BaseModel, recipe: ExpansionRecipe, train: Sequence[Expansion], work: Path
) -> float:
    folder = work / trainer.tool.split()[0]
    lesson = Lesson(base=base, recipe=recipe, intensity="firm", train=train, development=[])
    trained = trainer.train(lesson, folder, lambda _: None, lambda: False)
    return float(trained.facts["tokens_per_second"])


def _answer_tokens(rows: Sequence[Row]) -> int:
    return sum(len(row.tokens) - row.prompt for row in rows)


def _expansion(query: str, output: Sequence[tuple[str, str]]) -> Expansion:
    lines = tuple(msgspec.convert({"kind": kind, "text": text}, ExpansionLine) for kind, text in output)
    document = DocumentId(collection="curated", path="expansion.jsonl")
    origin = Origin(document=document, sha256="", start=0, length=0, generator="curated")
    return Expansion(query=query, lines=lines, language="en", origin=origin)
