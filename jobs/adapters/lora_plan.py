"""What is decided before the first step of a LoRA training, and where it stands after any."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from config.settings import ExpansionRecipe
from jobs.adapters.chat_tokenizer import HuggingFaceChat
from jobs.adapters.expansion_rows import Row, rows_of
from jobs.domain.corpus import digest
from jobs.domain.errors import BadInput, NotEnough
from jobs.domain.examples import Expansion
from jobs.domain.learning import Pace, length_batches, pace_for
from jobs.domain.recipe import Lesson

SEED = 7
DEVELOPMENT_ROWS = 128  # enough for a loss; all of a large set would take longer than it tells

Precision = Literal["float32", "bfloat16"]


class Cursor(Struct, frozen=True, kw_only=True):
    """Where a training stands: ``step`` steps are done. ``inputs`` names what it is trained on."""

    inputs: str
    precision: Precision
    step: int
    epoch: int
    batch: int
    learning_rate: float
    tokens: int
    seconds: float
    losses: tuple[float, ...]
    base_loss: float | None


class Plan(Struct, frozen=True, kw_only=True):
    """Everything decided before the first step. ``batches`` lie in the order of all epochs."""

    pace: Pace
    rows: tuple[Row, ...]
    development: tuple[Row, ...]
    batches: tuple[tuple[int, ...], ...]
    inputs: str

    @property
    def steps(self) -> int:
        return len(self.batches)


def plan_training(lesson: Lesson[ExpansionRecipe, Expansion]) -> Plan:
    """Raises NotEnough without a row to learn from."""
    base, recipe = lesson.base, lesson.recipe
    tokenizer = HuggingFaceChat(Path(base.directory))
    rows = rows_of(lesson.train[: recipe.most_rows], tokenizer, recipe.max_tokens)
    if not rows:
        raise NotEnough(
            f"none of the {len(lesson.train)} rows leaves anything to learn within {recipe.max_tokens} tokens",
            remedy="add rows to curated/expansion, or raise [expansion] max_tokens in config.toml",
        )
    pace = pace_for(lesson.intensity, epochs=recipe.epochs, learning_rate=recipe.learning_rate)
    lengths = [len(row.tokens) for row in rows]
    batches = [
        batch for epoch in range(pace.epochs) for batch in length_batches(lengths, recipe.batch_size, seed=SEED + epoch)
    ]
    held_back = rows_of(lesson.development[:DEVELOPMENT_ROWS], tokenizer, recipe.max_tokens)
    inputs = digest(
        base.digest,
        lesson.intensity,
        msgspec.json.encode(recipe).decode(),
        msgspec.json.encode((rows, held_back)).decode(),
    )
    return Plan(pace=pace, rows=rows, development=held_back, batches=tuple(batches), inputs=inputs)


def first_cursor(inputs: str, precision: Precision) -> Cursor:
    return Cursor(
        inputs=inputs,
        precision=precision,
        step=0,
        epoch=0,
        batch=0,
        learning_rate=0.0,
        tokens=0,
        seconds=0.0,
        losses=(),
        base_loss=None,
    )


def read_cursor(checkpoint: Path, inputs: str) -> Cursor:
    try:
        cursor = msgspec.json.decode((checkpoint / "cursor.json").read_bytes(), type=Cursor)
    except (OSError, msgspec.DecodeError) as error:
        raise BadInput(f"{checkpoint} cannot be read", remedy=f"delete {checkpoint} and run the job again") from error
    if cursor.inputs != inputs:
        raise BadInput(
            f"{checkpoint} belongs to another training", remedy=f"delete {checkpoint.parent} and run the job again"
        )
    return cursor
