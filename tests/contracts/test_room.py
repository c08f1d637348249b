"""The estimate against reality: what real trainings and exports of the two packaged bases write to the disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")
pytest.importorskip("peft")

from config.load import load_settings
from config.settings import EmbeddingRecipe, ExpansionRecipe
from jobs import checkpoints
from jobs.adapters.base_models import BaseModels
from jobs.adapters.base_places import base_shape
from jobs.adapters.llama_cpp import LlamaCppExporter
from jobs.adapters.node import find_converter, find_node, find_qmd
from jobs.domain.artifacts import BaseModel, Progress, TrainedModel
from jobs.domain.corpus import DocumentId
from jobs.domain.examples import Expansion, ExpansionLine, Origin, Pair
from jobs.domain.recipe import Lesson
from jobs.domain.room import Part, run_parts
from tests.contracts.tools import tool

pytestmark = [pytest.mark.ml, pytest.mark.slow]

SETTINGS = load_settings(Path("/nonexistent/config.toml"))
EMBEDDING = msgspec.structs.replace(
    SETTINGS.embedding, batch_size=2, max_tokens=32, checkpoint_steps=1, average_weights=[1.0]
)
EXPANSION = msgspec.structs.replace(SETTINGS.expansion, batch_size=2, epochs=1, checkpoint_steps=1)
THINGS = ("river", "ice", "wolf", "map", "seed", "road", "lake", "bark")
NEVER_MORE_THAN = 1.3
"""The estimate may exceed what is written by this factor; it may never fall below."""


class Peak:
    """Bytes under ``folder``, at their most: looked at before old checkpoints go, and whenever asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self.bytes = 0
        self.at_once = 0
        prune = checkpoints.prune

        def looked(directory: Path, keep: int = 2) -> None:
            self.look()
            self.at_once = max(self.at_once, len(list(directory.glob("step-*"))))
            prune(directory, keep)

        monkeypatch.setattr(checkpoints, "prune", looked)

    def look(self) -> None:
        files = (Path(folder) / name for folder, _, names in os.walk(self._folder) for name in names)
        self.bytes = max(self.bytes, sum(file.lstat().st_size for file in files))

    def told(self, progress: Progress) -> None:
        self.look()


@pytest.fixture
def peak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Peak:
    (tmp_path / "work").mkdir()
    return Peak(tmp_path / "work", monkeypatch)


@pytest.fixture
def exporter() -> LlamaCppExporter:
    return LlamaCppExporter(
        converter=tool(lambda chosen: Path(chosen) if chosen else find_converter(), "IAIP_TEST_CONVERTER"),
        node=tool(find_node, "IAIP_TEST_NODE"),
        qmd_package=tool(find_qmd, "IAIP_TEST_QMD"),
        gate=SETTINGS.gate,
    )


def origin(thing: str) -> Origin:
    document = DocumentId(collection="notes", path=f"{thing}.md")
    return Origin(document=document, sha256="", start=0, length=1, generator="curated")


def train_embedding(base: BaseModel, work: Path, peak: Peak) -> TrainedModel:
    from jobs.adapters.sentence_transformers import SentenceTransformersTrainer

    pairs = [
        Pair(query=thing, title=thing, passage=f"the {thing}", relevant=(), language="en", origin=origin(thing))
        for thing in THINGS
    ]
    asked = Lesson(base=base, recipe=EMBEDDING, intensity="gentle", train=pairs, development=pairs[:2])
    return SentenceTransformersTrainer().train(asked, work, peak.told, lambda: False)


def train_expansion(base: BaseModel, work: Path, peak: Peak) -> TrainedModel:
    from jobs.adapters.peft_lora import peft_trainer

    rows = [
        Expansion(query=thing, lines=(ExpansionLine(kind="lex", text=thing),), language="en", origin=origin(thing))
        for thing in THINGS
    ]
    asked = Lesson(base=base, recipe=EXPANSION, intensity="gentle", train=rows, development=rows[:2])
    return peft_trainer().train(asked, work, peak.told, lambda: False)


def estimated(parts: tuple[Part, ...], stage: str, *left_out: str) -> int:
    return sum(part.size for part in parts if part.stage == stage and part.what not in left_out)


@pytest.mark.parametrize(
    ("name", "kind", "recipe", "train"),
    [
        ("all-minilm-l6-v2", "embedding", EMBEDDING, train_embedding),
        ("smollm2-135m-instruct", "expansion", EXPANSION, train_expansion),
    ],
)
def test_a_real_run_writes_what_was_estimated(
    name: str,
    kind: str,
    recipe: EmbeddingRecipe | ExpansionRecipe,
    train: Callable[[BaseModel, Path, Peak], TrainedModel],
    tmp_path: Path,
    bases: Path,
    peak: Peak,
    exporter: LlamaCppExporter,
) -> None:
    before = base_shape(tmp_path / "nothing yet", name)
    base = BaseModels(bases).resolve(name, "embedding" if kind == "embedding" else "expansion")
    shape = base_shape(bases, name)
    unpacked = shape.weights + shape.beside
    assert unpacked <= before.unpack <= unpacked * 1.01 and shape.unpack == 0
    assert (before.parameters, before.projections, before.sides) == (shape.parameters, shape.projections, shape.sides)

    parts = run_parts(shape, recipe, 0)
    trained = train(base, tmp_path / "work", peak)
    peak.look()
    assert peak.at_once == 3, "the estimate counts on so many checkpoints at once"
    whole = estimated(parts, "train", "canary")
    model = sum(file.stat().st_size for file in Path(trained.directory).rglob("*") if file.is_file())
    # The model is written when the last checkpoints are two again: the peak is one of the two moments.
    assert peak.bytes <= whole <= (peak.bytes + model) * NEVER_MORE_THAN

    gguf = tmp_path / "export" / "model.gguf"
    exporter.export(Path(trained.directory), recipe.quantisation, gguf)
    final = next(part.size for part in parts if part.what == f"{recipe.quantisation} GGUF")
    assert gguf.stat().st_size <= final <= gguf.stat().st_size * NEVER_MORE_THAN
    print(f"{name}: training peak {peak.bytes:,} of {whole:,} estimated, GGUF {gguf.stat().st_size:,} of {final:,}")
