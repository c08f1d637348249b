"""The canary: a dummy fine-tune that does the whole path once per base and tool version.

A base whose conversion, serving or training is broken shows it here in a minute, before hours of
real training. Its few examples are our own sentences, never a note's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from config.settings import EmbeddingRecipe, ExpansionRecipe
from jobs.domain.artifacts import BaseModel, Parity, Progress, TrainedModel
from jobs.domain.corpus import DocumentId, digest
from jobs.domain.errors import IaipError, Stopped, ToolFailed
from jobs.domain.examples import Expansion, ExpansionLine, Origin, Pair
from jobs.domain.prompts import embedding_document
from jobs.domain.recipe import Lesson
from jobs.workshop import Workshop, once

Recipe = TypeVar("Recipe", EmbeddingRecipe, ExpansionRecipe)

_SENTENCES = (
    ("when does the ice leave the lake", "Spring thaw", "The ice on the lake breaks up in the last week of April."),
    ("how is birch bark harvested", "Birch bark", "Bark is taken in early summer, when the sap lets it peel cleanly."),
    ("où trouver les clés du canot", "Le canot", "Les clés du canot sont accrochées derrière la porte du hangar."),
    ("what to do when the pump stops", "Pump", "If the pump stops, close the valve first and then reset the breaker."),
    ("who keeps the seed register", "Seeds", "The seed register is kept at the library and updated every autumn."),
    ("comment sécher la sauge", "La sauge", "La sauge se sèche à l'ombre, suspendue en petits bouquets."),
    ("route of the winter road", "Winter road", "The winter road follows the east shore and crosses at the narrows."),
    ("length of the trap line", "Trap line", "The trap line is eleven kilometres long, with two cabins on the way."),
)


class CanaryResult(Struct, frozen=True, kw_only=True):
    base: str
    tools: str
    parity: Parity


def prove_path(base: BaseModel, workshop: Workshop) -> CanaryResult:
    """Trains, merges, converts, quantises and compares a dummy. Done once per base, recipe form and tool version.

    Raises ToolFailed, with the fallback base in the remedy, if any step does not hold.
    """
    recipe = workshop.recipe(base.kind)
    tools = workshop.exporter().tool_version()
    directory = workshop.home.stages / f"canary-{digest(base.digest, tools, recipe.quantisation)}"
    try:
        return once(directory, CanaryResult, lambda work: _fly(base, tools, work, workshop))
    except Stopped:
        raise
    except IaipError as error:
        fallback = "all-minilm-l6-v2" if base.kind == "embedding" else "smollm2-135m-instruct"
        raise ToolFailed(
            f"the canary of base {base.name} failed, so nothing was trained on it: {error.message}",
            remedy=f'set [{base.kind}] base = "{fallback}" in config.toml, or: {error.remedy}',
        ) from error


def _fly(base: BaseModel, tools: str, directory: Path, workshop: Workshop) -> CanaryResult:
    workshop.phase("canary: training a dummy")
    trained = _train(base, directory / "model", workshop)
    recipe = workshop.recipe(base.kind)
    exporter = workshop.exporter()
    gguf = directory / "canary.gguf"
    gguf.unlink(missing_ok=True)
    workshop.phase("canary: converting")
    exporter.export(Path(trained.directory), recipe.quantisation, gguf)
    workshop.phase("canary: comparing")
    if base.kind == "embedding":
        texts = [embedding_document(title, text, base.stem) for _, title, text in _SENTENCES]
        parity = exporter.embedding_parity(Path(trained.directory), gguf, recipe.quantisation, texts)
    else:
        queries = [query for query, _, _ in _SENTENCES[:4]]
        parity = exporter.generation_parity(Path(trained.directory), gguf, recipe.quantisation, queries)
    gguf.unlink()
    if parity.problems:
        raise ToolFailed("; ".join(parity.problems), remedy="this converter does not carry this base faithfully")
    return CanaryResult(base=base.name, tools=tools, parity=parity)


def _train(base: BaseModel, directory: Path, workshop: Workshop) -> TrainedModel:
    settings = workshop.settings
    if base.kind == "embedding":
        pairs = [_pair(*sentence) for sentence in _SENTENCES]
        recipe = _small(settings.embedding)
        recipe = msgspec.structs.replace(recipe, hard_negatives=0, average_weights=[1.0])
        lesson = Lesson(base=base, recipe=recipe, intensity="firm", train=pairs, development=pairs[:2])
        return workshop.embedding_trainer().train(lesson, directory, _silent, workshop.should_stop)
    rows = [_expansion(*sentence) for sentence in _SENTENCES]
    small = _small(settings.expansion)
    lines = Lesson(base=base, recipe=small, intensity="firm", train=rows, development=rows[:2])
    return workshop.expansion_trainer().train(lines, directory, _silent, workshop.should_stop)


def _small(recipe: Recipe) -> Recipe:
    return msgspec.structs.replace(recipe, epochs=1, batch_size=4, max_tokens=128, checkpoint_steps=1000)


def _pair(query: str, title: str, text: str) -> Pair:
    origin = _origin(text)
    return Pair(query=query, title=title, passage=text, relevant=(origin.document,), language="und", origin=origin)


def _expansion(query: str, title: str, text: str) -> Expansion:
    lines = (
        ExpansionLine(kind="lex", text=f"{title} {query}"),
        ExpansionLine(kind="vec", text=query),
        ExpansionLine(kind="hyde", text=text),
    )
    return Expansion(query=query, lines=lines, language="und", origin=_origin(text))


def _origin(text: str) -> Origin:
    document = DocumentId(collection="canary", path=f"{digest(text)}.md")
    return Origin(document=document, sha256="", start=0, length=len(text), generator="curated")


def _silent(_: Progress) -> None:
    pass
