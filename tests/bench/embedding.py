"""Measures of the embedding trainer: its speed beside the plain recipe, and what it does to search on SciFact.

SciFact (Wadden et al. 2020, CC BY 4.0) is never part of this repository: its folder is an argument.
It holds ``corpus.jsonl.gz`` (``_id``, ``title``, ``text``), ``queries.{train,test}.jsonl.gz`` (``_id``,
``text``), ``qrels.{train,test}.tsv`` and ``test_queries_unseen_docs.txt``.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from config.settings import EmbeddingRecipe
from jobs.domain.artifacts import BaseModel, Progress, TrainedModel
from jobs.domain.averaging import ndcg_at_10
from jobs.domain.corpus import DocumentId
from jobs.domain.examples import Generator, Origin, Pair
from jobs.domain.prompts import embedding_document, embedding_query
from jobs.domain.retrieval import Vectors

DEVELOPMENT_SHARE = 0.1


class Article(Struct, frozen=True, kw_only=True):
    title: str
    text: str


class SciFact(Struct, frozen=True, kw_only=True):
    """The benchmark's own test (claims and what they should find) and its pairs for training."""

    articles: dict[str, Article]
    test_claims: dict[str, str]
    test_relevant: dict[str, frozenset[str]]
    unseen: frozenset[str]
    """Test claims none of whose articles any training claim cites."""
    train: tuple[Pair, ...]
    development: tuple[Pair, ...]


class Quality(Struct, frozen=True, kw_only=True):
    """Mean nDCG@10 over all articles, by the model's own vectors."""

    every: float
    unseen: float


class QualityResult(Struct, frozen=True, kw_only=True):
    base: Quality
    tuned: Quality
    trained: TrainedModel


class SpeedResult(Struct, frozen=True, kw_only=True):
    """Pairs a second of the product's trainer and of the plain recipe on the same pairs."""

    product: float
    plain: float


def scifact_pairs(folder: Path) -> SciFact:
    """Claims as curated pairs, titles as a knowledge base's own; a tenth of the articles is kept for development."""
    articles = {row["_id"]: Article(title=row["title"], text=row["text"]) for row in _rows(folder / "corpus.jsonl.gz")}
    claims = {row["_id"]: row["text"] for row in _rows(folder / "queries.train.jsonl.gz")}
    relevant = _qrels(folder / "qrels.train.tsv")
    pairs = [_pair("title", articles[name].title, name, frozenset({name}), articles) for name in articles]
    for claim, names in relevant.items():
        pairs += [_pair("curated", claims[claim], name, names, articles) for name in sorted(names)]
    kept = {name for name in articles if _kept_for_development(name)}
    return SciFact(
        articles=articles,
        test_claims={row["_id"]: row["text"] for row in _rows(folder / "queries.test.jsonl.gz")},
        test_relevant=_qrels(folder / "qrels.test.tsv"),
        unseen=frozenset((folder / "test_queries_unseen_docs.txt").read_text(encoding="utf-8").split()),
        train=tuple(pair for pair in pairs if not _names(pair) & kept),
        development=tuple(pair for pair in pairs if _names(pair) <= kept),
    )


def measure_quality(
    scifact: SciFact, base: BaseModel, recipe: EmbeddingRecipe, work: Path, report: Callable[[Progress], None]
) -> QualityResult:
    """Trains by the product's own recipe and scores base and tuned model on the test claims."""
    from jobs.adapters.sentence_transformers import SentenceTransformersTrainer

    before = score(scifact, Path(base.directory), base.name)
    trained = SentenceTransformersTrainer().train(
        base, recipe, "firm", scifact.train, scifact.development, work, report, lambda: False
    )
    return QualityResult(base=before, tuned=score(scifact, Path(trained.directory), base.name), trained=trained)


def score(scifact: SciFact, model: Path, name: str, tokens: int = 256) -> Quality:
    """``name`` decides the prompts. Each text is cut after ``tokens`` tokens."""
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(str(model), local_files_only=True)
    encoder.max_seq_length = tokens
    articles = [embedding_document(article.title, article.text, name) for article in scifact.articles.values()]
    claims = [embedding_query(claim, name) for claim in scifact.test_claims.values()]
    return quality_of(scifact, _encode(encoder, claims), _encode(encoder, articles))


def quality_of(scifact: SciFact, claims: Vectors, articles: Vectors) -> Quality:
    """Vectors in the order of ``test_claims`` and ``articles``."""
    names = list(scifact.articles)
    scores: dict[str, float] = {}
    for claim, vector in zip(scifact.test_claims, claims, strict=True):
        order = [names[index] for index in np.argsort(-(articles @ vector), kind="stable")[:10]]
        relevant = scifact.test_relevant[claim]
        scores[claim] = ndcg_at_10([order.index(name) + 1 for name in relevant if name in order], len(relevant))
    unseen = [scores[claim] for claim in scores if claim in scifact.unseen]
    return Quality(every=sum(scores.values()) / len(scores), unseen=sum(unseen) / len(unseen))


def measure_speed(
    pairs: Sequence[Pair], base: BaseModel, recipe: EmbeddingRecipe, work: Path, count: int = 640
) -> SpeedResult:
    """Times one epoch over ``count`` of the pairs, the loading of the model and the mining of negatives left out.

    The plain recipe is sentence-transformers' ``fit`` in float32 on shuffled batches of the same size
    with the same prompts, tokens and loss, and without hard negatives.
    """
    some = _spread(pairs, count)
    return SpeedResult(product=_product_rate(some, base, recipe, work), plain=_plain_rate(some, base, recipe))


def _product_rate(pairs: Sequence[Pair], base: BaseModel, recipe: EmbeddingRecipe, work: Path) -> float:
    import msgspec

    from jobs.adapters.sentence_transformers import SentenceTransformersTrainer

    told: list[Progress] = []
    once = msgspec.structs.replace(recipe, epochs=1, checkpoint_steps=10**6)
    SentenceTransformersTrainer().train(base, once, "firm", pairs, [], work, told.append, lambda: False)
    return told[-1].rate


def _plain_rate(pairs: Sequence[Pair], base: BaseModel, recipe: EmbeddingRecipe) -> float:
    from sentence_transformers import InputExample, SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from torch.utils.data import DataLoader

    model = SentenceTransformer(base.directory, local_files_only=True)
    model.max_seq_length = recipe.max_tokens
    examples = [
        InputExample(
            texts=[
                embedding_query(pair.query, base.name),
                embedding_document(pair.title, pair.passage, base.name),
            ]
        )
        for pair in pairs
    ]
    batches: DataLoader[Any] = DataLoader(examples, shuffle=True, batch_size=recipe.batch_size)
    began = time.monotonic()
    model.fit(
        train_objectives=[(batches, MultipleNegativesRankingLoss(model))],
        epochs=1,
        warmup_steps=0,
        optimizer_params={"lr": recipe.learning_rate},
        show_progress_bar=False,
    )
    return len(examples) / (time.monotonic() - began)


def _spread(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """``count`` pairs in an order that only their texts decide."""
    return sorted(pairs, key=lambda pair: _hash(f"{pair.query}\n{pair.passage}"))[:count]


def _encode(encoder: Any, texts: Sequence[str]) -> Vectors:
    vectors: Vectors = encoder.encode(list(texts), batch_size=32, normalize_embeddings=True, show_progress_bar=False)
    return vectors


def _pair(
    generator: Generator, query: str, name: str, relevant: frozenset[str], articles: Mapping[str, Article]
) -> Pair:
    article = articles[name]
    origin = Origin(document=_document(name), sha256="", start=0, length=len(article.text), generator=generator)
    return Pair(
        query=query,
        title=article.title,
        passage=article.text,
        relevant=tuple(_document(each) for each in sorted(relevant)),
        language="en",
        origin=origin,
    )


def _document(name: str) -> DocumentId:
    return DocumentId(collection="scifact", path=f"{name}.md")


def _names(pair: Pair) -> set[str]:
    return {document.path.removesuffix(".md") for document in pair.relevant}


def _kept_for_development(name: str) -> bool:
    return _hash(name) % 1000 < DEVELOPMENT_SHARE * 1000


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _rows(file: Path) -> list[dict[str, str]]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _qrels(file: Path) -> dict[str, frozenset[str]]:
    relevant: dict[str, set[str]] = defaultdict(set)
    for line in file.read_text(encoding="utf-8").splitlines()[1:]:
        claim, name, grade = line.split("\t")
        if int(grade) > 0:
            relevant[claim].add(name)
    return {claim: frozenset(names) for claim, names in relevant.items()}
