"""Measures of the embedding trainer: its speed beside the plain recipe, and what it does to search on public sets."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from msgspec import Struct

from config.settings import EmbeddingRecipe, Settings
from jobs.domain.artifacts import BaseModel, Progress, TrainedModel
from jobs.domain.averaging import ndcg_at_10
from jobs.domain.examples import Pair
from jobs.domain.prompts import embedding_document, embedding_query
from jobs.domain.recipe import Lesson, Plan, plan_for_baseline
from jobs.domain.retrieval import Vectors
from tests.bench.retrieval_sets import RetrievalSet, pairs_of, spread

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class Quality(Struct, frozen=True, kw_only=True):
    """Mean nDCG@10 over all articles, by the model's own vectors."""

    every: float
    unseen: float
    """Of test questions none of whose articles any training question is about."""


class QualityResult(Struct, frozen=True, kw_only=True):
    """``plain``: by the plain recipe on the training questions alone, as tutorials have it."""

    base: Quality
    tuned: Quality
    plain: Quality
    plan: Plan
    trained: TrainedModel


class SpeedResult(Struct, frozen=True, kw_only=True):
    """Pairs a second of the product's trainer and of the plain recipe on the same pairs."""

    product: float
    plain: float


def measure_quality(
    whole: RetrievalSet, base: BaseModel, settings: Settings, work: Path, report: Callable[[Progress], None]
) -> QualityResult:
    """Trains by the product's own recipe and plan, and by the plain recipe; scores all three on the test questions."""
    from jobs.adapters.sentence_transformers import SentenceTransformersTrainer

    gate = settings.gate
    before = score(whole, Path(base.directory), base.stem)
    plan = plan_for_baseline(before.every, weak_below=gate.weak_below, strong_above=gate.strong_above, forced=True)
    train, development = pairs_of(whole)
    lesson = Lesson(
        base=base, recipe=settings.embedding, intensity=plan.intensity, train=train, development=development
    )
    trained = SentenceTransformersTrainer().train(lesson, work / "product", report, lambda: False)
    _plain_model([pair for pair in train if pair.origin.generator == "curated"], base).save(str(work / "plain"))
    return QualityResult(
        base=before,
        tuned=score(whole, Path(trained.directory), base.stem),
        plain=score(whole, work / "plain", base.stem),
        plan=plan,
        trained=trained,
    )


def score(whole: RetrievalSet, model: Path, name: str, tokens: int = 256) -> Quality:
    """``name`` decides the prompts. Each text is cut after ``tokens`` tokens."""
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(str(model), local_files_only=True)
    encoder.max_seq_length = tokens
    articles = [embedding_document(article.title, article.text, name) for article in whole.articles.values()]
    questions = [embedding_query(question, name) for question in whole.test_questions.values()]
    return quality_of(whole, _encode(encoder, questions), _encode(encoder, articles))


def quality_of(whole: RetrievalSet, questions: Vectors, articles: Vectors) -> Quality:
    """Vectors in the order of ``test_questions`` and ``articles``."""
    names = list(whole.articles)
    scores: dict[str, float] = {}
    for question, vector in zip(whole.test_questions, questions, strict=True):
        order = [names[index] for index in np.argsort(-(articles @ vector), kind="stable")[:10]]
        relevant = whole.test_relevant[question]
        scores[question] = ndcg_at_10([order.index(name) + 1 for name in relevant if name in order], len(relevant))
    unseen = [scores[question] for question in whole.unseen()]
    return Quality(every=sum(scores.values()) / len(scores), unseen=sum(unseen) / len(unseen))


def measure_speed(
    pairs: list[Pair], base: BaseModel, recipe: EmbeddingRecipe, work: Path, count: int = 640
) -> SpeedResult:
    """Times one epoch over ``count`` of the pairs, the loading of the model and the mining of negatives left out.

    The plain recipe is sentence-transformers' ``fit`` in float32 on shuffled batches of the same size
    with the same prompts, tokens and loss, and without hard negatives.
    """
    some = spread(pairs, count)
    return SpeedResult(product=_product_rate(some, base, recipe, work), plain=_plain_rate(some, base, recipe))


def _product_rate(pairs: Sequence[Pair], base: BaseModel, recipe: EmbeddingRecipe, work: Path) -> float:

    from jobs.adapters.sentence_transformers import SentenceTransformersTrainer

    told: list[Progress] = []
    once = msgspec.structs.replace(recipe, epochs=1, checkpoint_steps=10**6)
    lesson: Lesson[EmbeddingRecipe, Pair] = Lesson(
        base=base, recipe=once, intensity="firm", train=pairs, development=[]
    )
    SentenceTransformersTrainer().train(lesson, work, told.append, lambda: False)
    return told[-1].rate


def _plain_rate(pairs: Sequence[Pair], base: BaseModel, recipe: EmbeddingRecipe) -> float:
    model = _untrained(base, recipe.max_tokens)
    began = time.monotonic()
    _fit(model, pairs, base, epochs=1, batch_size=recipe.batch_size, learning_rate=recipe.learning_rate)
    return len(pairs) / (time.monotonic() - began)


def _plain_model(pairs: Sequence[Pair], base: BaseModel) -> SentenceTransformer:
    model = _untrained(base, 256)
    _fit(model, pairs, base, epochs=3, batch_size=32, learning_rate=5e-5)
    return model


def _untrained(base: BaseModel, tokens: int) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(base.directory, local_files_only=True)
    model.max_seq_length = tokens
    return model


def _fit(
    model: SentenceTransformer,
    pairs: Sequence[Pair],
    base: BaseModel,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
) -> None:
    """In float32 on shuffled batches, with QMD's prompts."""
    from sentence_transformers import InputExample
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from torch.utils.data import DataLoader

    examples = [
        InputExample(
            texts=[embedding_query(pair.query, base.stem), embedding_document(pair.title, pair.passage, base.stem)]
        )
        for pair in pairs
    ]
    batches: DataLoader[Any] = DataLoader(examples, shuffle=True, batch_size=batch_size)
    with tempfile.TemporaryDirectory() as scratch:
        model.fit(
            train_objectives=[(batches, MultipleNegativesRankingLoss(model))],
            epochs=epochs,
            warmup_steps=0,
            optimizer_params={"lr": learning_rate},
            show_progress_bar=False,
            checkpoint_path=scratch,
        )


def _encode(encoder: Any, texts: Sequence[str]) -> Vectors:
    vectors: Vectors = encoder.encode(list(texts), batch_size=32, normalize_embeddings=True, show_progress_bar=False)
    return vectors
