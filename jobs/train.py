"""The train stage: as firmly as the baseline calls for, resumed where it was stopped, sealed whenever it rests."""

from __future__ import annotations

import hashlib
import sys
from importlib.metadata import version
from pathlib import Path

import msgspec

from config.settings import EmbeddingRecipe, ExpansionRecipe
from jobs.canary import LIBRARIES, prove_path
from jobs.dataset.build import Dataset
from jobs.dataset.learnt import denial, inquiry
from jobs.dataset.permission import REBUILD, in_words, no_longer_permitted
from jobs.dataset.stage import built
from jobs.domain.artifacts import BaseModel, Progress, TrainedModel
from jobs.domain.corpus import digest
from jobs.domain.recipe import Intensity, Lesson, Plan, facts_of_smaller, plan_digest, smaller
from jobs.sealing import plain_inside
from jobs.wire import Done, JobSpec, Step
from jobs.workshop import STAYS_PLAIN, Workshop, once


def run(spec: JobSpec, workshop: Workshop) -> Done:
    """Asks once more for consent, proves the base's path with a canary, then trains. The result is a TrainedModel."""
    assert spec.target is not None
    plan = msgspec.convert(spec.earlier["baseline"]["plan"], Plan)
    dataset = built(spec, workshop)
    _, denied = no_longer_permitted(dataset.manifest, workshop.corpus, workshop.home, workshop.settings)
    if denied:
        return Done(result={}, ends_run=f"refused: {in_words(denied)}; nothing was trained. {REBUILD}")
    if spec.target == "expansion" and (reason := _embedding_denied(workshop)):
        return Done(
            result={},
            ends_run=f"refused: the embedding model that it would go live with may not be taken over: {reason}; nothing"
            " was trained. `iaipctl run embedding` makes one without them first",
        )
    base = workshop.base_model(spec.target)
    prove_path(base, workshop)
    full = workshop.recipe(spec.target)
    recipe = smaller(full) if spec.smaller else full
    inputs = digest(dataset.manifest.name, base.digest, msgspec.json.encode(recipe).decode(), plan.intensity)
    trained = once(
        workshop.home.stages / f"train-{inputs}",
        TrainedModel,
        lambda directory: _train(dataset, base, recipe, plan.intensity, directory, workshop),
        run=spec.run,
        plan=plan_digest(recipe),
    )
    told = msgspec.structs.replace(trained, facts=trained.facts | facts_of_smaller(full, recipe))
    return Done(result=msgspec.to_builtins(told))


def _embedding_denied(workshop: Workshop) -> str:
    live = workshop.releases.live()
    return "" if live is None else denial(workshop.releases.release(live), inquiry(workshop), ["embedding"])


def _train(
    dataset: Dataset,
    base: BaseModel,
    recipe: EmbeddingRecipe | ExpansionRecipe,
    intensity: Intensity,
    directory: Path,
    workshop: Workshop,
) -> TrainedModel:
    with plain_inside(directory, dataset.consents(), workshop.keys, STAYS_PLAIN):
        return _documented(_trained(dataset, base, recipe, intensity, directory, workshop), base, recipe)


def _trained(
    dataset: Dataset,
    base: BaseModel,
    recipe: EmbeddingRecipe | ExpansionRecipe,
    intensity: Intensity,
    directory: Path,
    workshop: Workshop,
) -> TrainedModel:
    workshop.phase("loading the trainer")

    def report(progress: Progress) -> None:
        workshop.emit(Step(progress=progress))

    if isinstance(recipe, EmbeddingRecipe):
        pairs = Lesson(
            base=base,
            recipe=recipe,
            intensity=intensity,
            train=dataset.pairs("train"),
            development=dataset.pairs("development"),
        )
        return workshop.embedding_trainer().train(pairs, directory, report, workshop.should_stop)
    rows = Lesson(
        base=base,
        recipe=recipe,
        intensity=intensity,
        train=dataset.expansions("train"),
        development=dataset.expansions("development"),
    )
    return workshop.expansion_trainer().train(rows, directory, report, workshop.should_stop)


def _documented(trained: TrainedModel, base: BaseModel, recipe: EmbeddingRecipe | ExpansionRecipe) -> TrainedModel:
    """Names those of the libraries that the training has loaded."""
    loaded = sorted(name for name in LIBRARIES if name.replace("-", "_") in sys.modules)
    return msgspec.structs.replace(
        trained,
        base=base.digest,
        weights=_weights_digest(Path(trained.directory)),
        recipe=msgspec.to_builtins(recipe),
        tools={name: version(name) for name in loaded},
    )


def _weights_digest(directory: Path) -> str:
    """The SHA-256 over ``sha256  name`` lines of all safetensors, by name; empty if there are none."""
    lines = []
    for path in sorted(directory.glob("*.safetensors")):
        with path.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else ""
