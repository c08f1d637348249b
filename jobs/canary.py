"""The canary: a dummy fine-tune that does the whole path, to an answer of QMD's, once per base and tool versions.

A base whose conversion, serving or training is broken shows it here in a minute, before hours of
real training. Its few examples are our own sentences, never a note's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from config.settings import EmbeddingRecipe, ExpansionRecipe
from jobs.domain.artifacts import BaseModel, Parity, Progress, Quantisation, SearchModels, TrainedModel
from jobs.domain.corpus import DocumentId, digest
from jobs.domain.errors import DiskFull, IaipError, Stopped, ToolFailed
from jobs.domain.examples import Expansion, ExpansionLine, JudgedQuery, Origin, Pair, Target
from jobs.domain.gates import Answer
from jobs.domain.prompts import embedding_document
from jobs.domain.recipe import Lesson
from jobs.ports import Exporter, SearchEngine
from jobs.publish import remove_directory
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
_INDEXED = 2
_FALLBACKS: dict[Target, str] = {"embedding": "all-minilm-l6-v2", "expansion": "smollm2-135m-instruct"}
LIBRARIES = ("mlx", "mlx-lm", "peft", "sentence-transformers", "torch", "transformers")
"""What trains."""


class CanaryResult(Struct, frozen=True, kw_only=True):
    base: str
    tools: str
    parity: Parity


def prove_path(base: BaseModel, workshop: Workshop) -> CanaryResult:
    """Trains, merges, converts, quantises, compares and searches with a dummy. Done once per ``canary_place``.

    Raises ToolFailed, with the fallback base in the remedy unless it is the one that failed, if any step does not hold.
    """
    tools = tools_in_use(workshop.exporter(), workshop.search)
    place = canary_place(workshop.home.stages, base, tools, workshop.recipe(base.kind).quantisation)
    try:
        return once(place, CanaryResult, lambda work: _fly(base, tools, work, workshop))
    except (Stopped, DiskFull):  # neither is the base's fault
        raise
    except IaipError as error:
        fallback = _FALLBACKS[base.kind]
        other = "" if base.name == fallback else f'set [{base.kind}] base = "{fallback}" in config.toml, or: '
        raise ToolFailed(
            f"the canary of base {base.name} failed, so nothing was trained on it: {error.message}",
            remedy=f"{other}{error.remedy}",
        ) from error


def tools_in_use(exporter: Exporter, search: SearchEngine) -> str:
    """Every tool on the path with its version: another one must prove itself anew."""
    return " ".join([exporter.tool_version(), f"qmd-{search.version()}", *_libraries()])


def _libraries() -> Iterator[str]:
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            yield f"{name}-{version(name)}"


def canary_place(stages: Path, base: BaseModel, tools: str, quantisation: Quantisation) -> Path:
    """``base.stem`` counts: QMD chooses its prompts by it."""
    return stages / f"canary-{digest(base.digest, base.stem, tools, quantisation)}"


def _fly(base: BaseModel, tools: str, directory: Path, workshop: Workshop) -> CanaryResult:
    workshop.phase("canary: training a dummy")
    trained = Path(_train(base, directory / "model", workshop).directory)
    search = directory / "search"
    remove_directory(search)
    gguf = search / f"{base.stem}.gguf"
    workshop.phase("canary: converting")
    workshop.exporter().export(trained, workshop.recipe(base.kind).quantisation, gguf)
    workshop.phase("canary: comparing")
    parity = _parity(base, trained, gguf, workshop)
    if parity.problems:
        raise ToolFailed("; ".join(parity.problems), remedy="this converter does not carry this base faithfully")
    workshop.phase("canary: searching")
    _search(base, gguf, search, workshop)
    remove_directory(search)
    return CanaryResult(base=base.name, tools=tools, parity=parity)


def _parity(base: BaseModel, trained: Path, gguf: Path, workshop: Workshop) -> Parity:
    exporter, quantisation = workshop.exporter(), workshop.recipe(base.kind).quantisation
    if base.kind == "embedding":
        texts = [embedding_document(title, text, base.stem) for _, title, text in _SENTENCES]
        return exporter.embedding_parity(trained, gguf, quantisation, texts)
    return exporter.generation_parity(trained, gguf, quantisation, [query for query, _, _ in _SENTENCES[:4]])


def _search(base: BaseModel, gguf: Path, folder: Path, workshop: Workshop) -> None:
    """Real QMD indexes two of the sentences and answers a query with the dummy's file.

    An expansion model is asked beside the live embedding model, for what the two say nothing of: QMD goes without an
    expansion where words alone find enough.
    """
    if base.kind == "embedding":
        models, how, query = SearchModels(embed=str(gguf)), "vector", _SENTENCES[0][0]
    else:
        live = workshop.search.models(workshop.releases.current / "qmd" / "index.yml")
        models, how, query = msgspec.structs.replace(live, generate=str(gguf)), "hybrid", _SENTENCES[4][0]
    arm = workshop.search.open_arm(_written_notes(folder), folder / "index.sqlite", models)
    try:
        passages = arm.index(lambda done, total: None, reread=True, afresh=True)
        [answer] = arm.ask([JudgedQuery(id="canary", text=query, relevant={})], how, 2)
    finally:
        arm.close()
    problem = _unanswered(base.kind, passages, answer)
    if problem:
        raise ToolFailed(problem, remedy="`qmd doctor` names what is wrong, then `iaipctl queue retry` the job")


def _unanswered(kind: Target, passages: int, answer: Answer) -> str:
    """What shows that the file was of no use to QMD; empty if it was."""
    if passages != _INDEXED:
        return f"QMD embedded {passages} of {_INDEXED} sentences"
    if not answer.documents:
        return f"QMD found none of {_INDEXED} sentences"
    if kind == "expansion" and not (answer.expansion or answer.fell_back):
        return "QMD answered without asking it for an expansion"
    return ""


def _written_notes(folder: Path) -> Path:
    """A QMD configuration whose one collection is the first sentences."""
    notes = folder / "notes"
    notes.mkdir()
    for number, (_, title, text) in enumerate(_SENTENCES[:_INDEXED]):
        (notes / f"{number}.md").write_text(f"# {title}\n\n{text}\n", "utf-8")
    configuration = folder / "index.yml"
    # JSON is YAML, and quotes whatever a path may hold.
    configuration.write_bytes(msgspec.json.encode({"collections": {"canary": {"path": str(notes), "pattern": "*.md"}}}))
    return configuration


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
