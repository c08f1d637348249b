"""How much a run will write, stage by stage, estimated from its recipe and the shape of its base.

Bytes of what lies on disk at the same time; nothing is counted as freed before the run has ended.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from config.settings import EmbeddingRecipe, ExpansionRecipe
from jobs.domain.artifacts import Quantisation

STAGES = ("baseline", "train", "export", "validate", "deploy")
"""The stages that write much, in order."""

_FLOAT = 4
_TRAINED_STATE = 3 * _FLOAT  # a float32 weight and AdamW's two float32 moments
_CHECKPOINTS = 3  # two are kept while the next is written
_INDEX_COPIES = 2  # the copy of an index, and its write-ahead log or new vectors beside the old
# Bytes a weight in a GGUF. A quantised file keeps some tensors finer: 0.78 was measured with SmolLM2 in q4_k_m.
_GGUF: Mapping[Quantisation, float] = {"f16": 2.05, "q8_0": 1.12, "q4_k_m": 0.85}


class ModelShape(Struct, frozen=True, kw_only=True):
    """What there is to know of a base without loading it.

    ``weights`` are its bytes as safetensors, ``beside`` those of its other files (tokenizer, configuration).
    ``projections`` counts the parameters of the matrices inside its layers, ``sides`` their rows and columns.
    ``unpack`` is what it will take to unpack it, nought if that has been done.
    """

    parameters: int
    weights: int
    beside: int
    projections: int
    sides: int
    unpack: int = 0


class Part(Struct, frozen=True, kw_only=True):
    stage: str
    what: str
    size: int


class Room(Struct, frozen=True, kw_only=True):
    """What is needed against what there is. ``reserve`` stays free whatever is written."""

    needed: int
    free: int
    reserve: int

    @property
    def missing(self) -> int:
        return max(0, self.needed + self.reserve - self.free)


def run_parts(shape: ModelShape, recipe: EmbeddingRecipe | ExpansionRecipe, index: int) -> tuple[Part, ...]:
    """All that a run writes. ``index``: bytes of the live search index, of which it makes shadows."""
    trained, model = _trained(shape, recipe), _model(shape, recipe)
    checkpoint = trained * _TRAINED_STATE
    gguf, scratch = _exported(shape, recipe.quantisation)
    shadow = _INDEX_COPIES * index
    return (
        Part(stage="baseline", what="shadow index", size=shadow),
        Part(stage="train", what="unpacked base", size=shape.unpack),
        Part(stage="train", what="canary", size=checkpoint + model + scratch + gguf),
        Part(stage="train", what="checkpoints: weights and optimizer", size=_CHECKPOINTS * checkpoint),
        Part(stage="train", what="trained model", size=model),
        Part(stage="export", what="f16 GGUF on the way", size=scratch),
        Part(stage="export", what=f"{recipe.quantisation} GGUF", size=gguf),
        Part(stage="validate", what="shadow index", size=shadow),
        Part(stage="deploy", what="index of the release", size=shadow),
    )


def still_needed(parts: tuple[Part, ...], stage: str, written: Mapping[str, int]) -> int:
    """Bytes that ``stage`` and all after it will add. ``written``: what the run's stages hold on disk already."""
    ahead = STAGES[STAGES.index(stage) :]
    return sum(max(0, sum(part.size for part in parts if part.stage == one) - written.get(one, 0)) for one in ahead)


def _trained(shape: ModelShape, recipe: EmbeddingRecipe | ExpansionRecipe) -> int:
    """Parameters the optimizer moves: all of an embedding model, of a LoRA ``rank`` rows and columns a matrix."""
    return shape.parameters if isinstance(recipe, EmbeddingRecipe) else recipe.rank * shape.sides


def _model(shape: ModelShape, recipe: EmbeddingRecipe | ExpansionRecipe) -> int:
    """An embedding model is saved in float32, a merged one with its projections in float32 and the rest as it was."""
    if isinstance(recipe, EmbeddingRecipe):
        return shape.parameters * _FLOAT + shape.beside
    kept = shape.weights * (shape.parameters - shape.projections) // max(1, shape.parameters)
    return shape.projections * _FLOAT + kept + shape.beside


def _exported(shape: ModelShape, quantisation: Quantisation) -> tuple[int, int]:
    """(bytes of the GGUF, bytes of the f16 one it is quantised from). A GGUF carries its tokenizer."""
    gguf = int(shape.parameters * _GGUF[quantisation]) + shape.beside
    scratch = int(shape.parameters * _GGUF["f16"]) + shape.beside if quantisation == "q4_k_m" else 0
    return gguf, scratch
