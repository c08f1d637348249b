"""A small lesson in expansions: ten rows about ice on a lake, and a training on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from config.load import load_settings
from config.settings import ExpansionRecipe
from jobs.domain.artifacts import BaseModel, Progress, TrainedModel
from jobs.domain.corpus import DocumentId
from jobs.domain.examples import Expansion, ExpansionLine, Origin
from jobs.domain.recipe import Lesson
from jobs.ports import ExpansionTrainer

ROWS = 10


def recipe(**changes: object) -> ExpansionRecipe:
    small = {"epochs": 2, "batch_size": 4, "learning_rate": 1e-2, "precision": "float32", "checkpoint_steps": 2}
    return msgspec.structs.replace(load_settings(Path("absent.toml")).expansion, **{**small, **changes})


def expansion(number: int) -> Expansion:
    query = f"ice on lake {number}"
    lines = (
        ExpansionLine(kind="lex", text=f"lake {number} ice"),
        ExpansionLine(kind="vec", text=f"when is there ice on lake {number}" + ", and where" * (number % 3)),
        ExpansionLine(kind="hyde", text="The ice comes in November."),
    )
    origin = Origin(
        document=DocumentId(collection="notes", path="lake.md"), sha256="", start=0, length=0, generator="heading"
    )
    return Expansion(query=query, lines=lines, language="en", origin=origin)


EXPANSIONS = [expansion(number) for number in range(ROWS)]


def train(
    trainer: ExpansionTrainer,
    base: BaseModel,
    work: Path,
    *,
    report: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    **changes: object,
) -> TrainedModel:
    how = recipe(**changes)
    asked = Lesson(base=base, recipe=how, intensity="firm", train=EXPANSIONS[:8], development=EXPANSIONS[8:])
    return trainer.train(asked, work, report, should_stop)


def weights(model: TrainedModel | BaseModel) -> dict[str, Any]:
    from safetensors.torch import load_file

    loaded: dict[str, Any] = load_file(Path(model.directory) / "model.safetensors")
    return loaded


def stop_after(polls: int) -> Callable[[], bool]:
    """True from the poll numbered ``polls`` on."""
    left = iter(range(polls))
    return lambda: next(left, None) is None
