"""How firmly a target is trained, decided from the measured baseline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Literal, TypeVar

import msgspec
from msgspec import Struct

from config.settings import EmbeddingRecipe, ExpansionRecipe
from jobs.domain.artifacts import BaseModel
from jobs.domain.corpus import digest
from jobs.domain.examples import Expansion, Pair

Recipe = TypeVar("Recipe", bound=EmbeddingRecipe | ExpansionRecipe)
Example = TypeVar("Example", bound=Pair | Expansion)
SMALLEST_BATCH = 2  # an in-batch negative needs somebody to meet

Intensity = Literal["firm", "gentle", "none"]


class Lesson(Struct, Generic[Recipe, Example], frozen=True, kw_only=True):
    """One training as it is asked for: which base, how, how firmly, and on what."""

    base: BaseModel
    recipe: Recipe
    intensity: Intensity
    train: Sequence[Example]
    development: Sequence[Example]


class Plan(Struct, frozen=True, kw_only=True):
    """What the baseline calls for, with the reason in words."""

    intensity: Intensity
    reason: str


def plan_for_baseline(score: float, *, weak_below: float, strong_above: float, forced: bool) -> Plan:
    """``score`` is the current arm's mean nDCG@10 (0 to 1) on the primary query set."""
    shown = f"current search scores {score:.3f} nDCG@10"
    if score < weak_below:
        return Plan(intensity="firm", reason=f"{shown}, under {weak_below}: train firmly")
    if score <= strong_above:
        return Plan(intensity="gentle", reason=f"{shown}, middling: train gently")
    if forced:
        return Plan(intensity="gentle", reason=f"{shown}, over {strong_above}: train gently, because it was asked for")
    return Plan(intensity="none", reason=f"{shown}, over {strong_above}: already strong, no training")


def smaller(recipe: Recipe) -> Recipe:
    """A quarter of the batch, and so at most half the memory of a step (a large batch is computed in parts as it is).

    It is another training, with its own name and checkpoints: nothing of the larger one is gone on with.
    """
    return msgspec.structs.replace(recipe, batch_size=max(SMALLEST_BATCH, recipe.batch_size // 4))


def plan_digest(recipe: EmbeddingRecipe | ExpansionRecipe) -> str:
    """Tells one training of a run from another: dataset, base and intensity are the same all through a run."""
    return digest(msgspec.json.encode(recipe).decode())


def facts_of_smaller(
    full: EmbeddingRecipe | ExpansionRecipe, used: EmbeddingRecipe | ExpansionRecipe
) -> dict[str, str]:
    """What a release's metadata says about it; nothing for a training by the full recipe."""
    if used.batch_size == full.batch_size:
        return {}
    told = f"batches of {used.batch_size} instead of {full.batch_size}: the machine restarted under the full plan"
    return {"smaller plan": told}
