"""Embedding models by sentence-transformers: contrastive training, then an average with the base.

A tuned model knows its own notes better and everything else worse. Averaging its weights with the
base's keeps most of the gain and loses little (Wortsman et al. 2022, "Robust fine-tuning of
zero-shot models"); which share of the tuned weights serves best is measured on development queries.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch

from config.settings import EmbeddingRecipe
from jobs.adapters.embedding_course import LARGEST_PLAIN_BATCH, fit
from jobs.adapters.embedding_model import EmbeddingModel
from jobs.domain.artifacts import TrainedModel
from jobs.domain.averaging import Scores, best_share, mean_over_kinds
from jobs.domain.examples import Pair
from jobs.domain.learning import pace_for
from jobs.domain.negatives import choose_negatives
from jobs.domain.recipe import Lesson
from jobs.domain.retrieval import (
    ServedPair,
    Shelf,
    development_scores,
    most_telling,
    serve,
    serve_for_training,
)
from jobs.ports import Report, ShouldStop
from jobs.publish import write_file

_SEED = 7
_SCORED_AT_ONCE = 256
_MOST_DISTRACTORS = 500


class SentenceTransformersTrainer:
    """EmbeddingTrainer on what the machine has: CUDA, Metal or the processor."""

    def train(
        self, lesson: Lesson[EmbeddingRecipe, Pair], work: Path, report: Report, should_stop: ShouldStop
    ) -> TrainedModel:
        """Trains, averages and saves into ``work/model``. See the port for the rest."""
        started = time.monotonic()
        base, recipe = lesson.base, lesson.recipe
        pace = pace_for(lesson.intensity, epochs=recipe.epochs, learning_rate=recipe.learning_rate)
        recipe = msgspec.structs.replace(recipe, epochs=pace.epochs, learning_rate=pace.peak)
        bench = EmbeddingModel(base, recipe, should_stop)
        shown = most_telling(lesson.train, recipe.most_pairs, curated_repeats=recipe.curated_repeats, seed=_SEED)
        pairs = serve_for_training(shown, base.stem)
        columns = _columns(pairs, bench, work)
        tuned = fit(pairs, columns, bench, work / "checkpoints", report)
        scores = _score_shares(serve(lesson.development, base.stem), serve(shown, base.stem), bench)
        share = best_share(scores)
        bench.load_share(share)
        bench.save(work / "model")
        return TrainedModel(
            directory=str(work / "model"),
            steps=tuned.step,
            seconds=tuned.seconds or time.monotonic() - started,
            final_loss=tuned.loss,
            facts=_facts(bench, columns, scores, share)
            | {"intensity": lesson.intensity, "pairs an epoch": str(len(pairs))},
        )


def _columns(pairs: Sequence[ServedPair], bench: EmbeddingModel, work: Path) -> dict[str, list[str]]:
    """The texts of every example: its query, its passage and its hard negatives, mined once and kept."""
    shelf = Shelf(pairs)
    columns = {"query": [pair.query for pair in pairs], "passage": [pair.passage for pair in pairs]}
    count = bench.recipe.hard_negatives
    if count == 0:
        return columns
    record = work / "negatives.json"
    if not record.exists():
        write_file(record, msgspec.json.encode(_mine(pairs, shelf, bench)))
    mined = msgspec.json.decode(record.read_bytes(), type=list[list[int]])
    # A column needs an entry for every example: none at all where the shelf is too small for some.
    for rank in range(min(map(len, mined), default=0)):
        columns[f"negative_{rank}"] = [shelf.passages[chosen[rank]] for chosen in mined]
    return columns


def _mine(pairs: Sequence[ServedPair], shelf: Shelf, bench: EmbeddingModel) -> list[list[int]]:
    """For each pair the places on the shelf of its hard negatives, as the base sees them."""
    passages = bench.encode(shelf.passages)
    queries = bench.encode([pair.query for pair in pairs])
    chance = np.random.default_rng(_SEED)
    mined: list[list[int]] = []
    for start in range(0, len(pairs), _SCORED_AT_ONCE):
        bench.stop_if_asked()
        scores = queries[start : start + _SCORED_AT_ONCE] @ passages.T
        for pair, row in zip(pairs[start : start + _SCORED_AT_ONCE], scores, strict=True):
            mined.append(
                choose_negatives(
                    row,
                    shelf.place[pair.passage],
                    shelf.related(pair),
                    count=bench.recipe.hard_negatives,
                    margin=bench.recipe.negative_margin,
                    chance=chance,
                )
            )
    return mined


def _score_shares(
    development: Sequence[ServedPair], train: Sequence[ServedPair], bench: EmbeddingModel
) -> dict[float, Scores]:
    """The development scores of the base (share 0) and of each share of the tuned weights.

    Candidates are the development passages and, to be confused with, some of training.
    """
    distractors = random.Random(_SEED).sample(list(train), min(_MOST_DISTRACTORS, len(train)))
    shelf = Shelf([*development, *distractors])
    queries = list({pair.query: pair for pair in development}.values())
    scores: dict[float, Scores] = {}
    for share in sorted({0.0, *bench.recipe.average_weights}):
        bench.load_share(share)
        vectors = bench.encode(shelf.passages if queries else [])
        scores[share] = development_scores(queries, shelf, bench.encode([query.query for query in queries]), vectors)
    return scores


def _facts(
    bench: EmbeddingModel, columns: Mapping[str, Sequence[str]], scores: Mapping[float, Scores], share: float
) -> dict[str, str]:
    means = {tried: mean_over_kinds(found) for tried, found in scores.items()}
    facts = {
        "device": bench.device,
        "precision": "bfloat16" if bench.bfloat16 else "float32",
        "loss": "cached" if bench.recipe.batch_size > LARGEST_PLAIN_BATCH else "plain",
        "negatives": str(len(columns) - 2),
        "share": f"{share:g}",
        "torch": str(torch.__version__),
    }
    facts |= {f"development nDCG@10 at share {tried:g}": f"{score:.4f}" for tried, score in means.items()}
    if means[0.0] >= means[share] > 0:
        facts["development"] = "no share of the tuned weights searched better than the base"
    return facts
