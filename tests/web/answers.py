"""Queries about the notes, made-up answers to them, and the gain that a verdict on these becomes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import msgspec

from daemon.ledger.records import StoredAnswer
from jobs.dataset.permission import sources_by_class
from jobs.domain.artifacts import Gain, Making
from jobs.domain.corpus import DocumentId
from jobs.domain.examples import DatasetManifest, JudgedQuery, QuerySet
from jobs.domain.gates import METRICS, Answer, ArmName, QueryScore, ScoredSet, Verdict
from tests.web.proposed import QUESTIONS, SUBJECTS

ARMS: tuple[ArmName, ...] = ("none", "current", "candidate")


def queries(notes: Sequence[DocumentId], name: str, kind: str, size: int) -> QuerySet:
    texts = [question.format(subject) for subject in SUBJECTS.split(",") for question in QUESTIONS.split(",")]
    found = [
        JudgedQuery(
            id=f"{name}-{number}",
            text=texts[number % len(texts)] + (f" in {2008 + number // len(texts)}" if number >= len(texts) else ""),
            relevant={str(notes[(number * 7) % len(notes)]): 1},
            language="en",
            seen=number % 2 == 0,
        )
        for number in range(size)
    ]
    return msgspec.convert({"name": name, "kind": kind, "queries": found}, QuerySet, from_attributes=True)


def answered(query_set: QuerySet, rise: float, notes: Sequence[DocumentId], chance: Random) -> ScoredSet:
    answers: dict[ArmName, list[Answer]] = {arm: [] for arm in ARMS}
    scores: dict[ArmName, list[QueryScore]] = {arm: [] for arm in ARMS}
    for query in query_set.queries:
        before = chance.choice((2, 3, 5, 9))
        better = chance.random() < 0.04 + 1.4 * rise
        for arm, place in (("none", before + 1), ("current", before), ("candidate", 1 if better else before)):
            ranked = [str(note) for note in chance.sample(notes, 10)]
            ranked[place - 1] = next(iter(query.relevant))
            name = msgspec.convert(arm, ArmName)
            answers[name].append(Answer(query=query.id, documents=tuple(ranked), milliseconds=12.0))
            scores[name].append(QueryScore(query=query.id, metrics=dict.fromkeys(METRICS, 1 / place)))
    return ScoredSet(
        query_set=query_set,
        scores={arm: tuple(found) for arm, found in scores.items()},
        answers={arm: tuple(found) for arm, found in answers.items()},
    )


def stored(scored: Sequence[ScoredSet]) -> list[StoredAnswer]:
    return [
        StoredAnswer(
            arm=arm,
            query_set=one.query_set.name,
            query=answer.query,
            metrics=score.metrics,
            documents=answer.documents,
            milliseconds=answer.milliseconds,
        )
        for one in scored
        for arm in ARMS
        for answer, score in zip(one.answers[arm], one.scores[arm], strict=True)
    ]


def gain(verdict: Verdict, live: str, chance: Random) -> Gain:
    """As the verdict tells it, less after the first one and never quite the same."""
    primary = next(c for c in verdict.sets[0].comparisons if c.metric == "nDCG@10")
    shrunk = 0.35 if live != "v0" and chance.random() < 0.8 else 1.0
    drift = chance.uniform(-0.02, 0.03)
    return Gain(
        metric="nDCG@10",
        delta=primary.delta * shrunk + drift,
        low=primary.delta * shrunk + drift - (primary.delta - primary.low),
        high=primary.delta * shrunk + drift + (primary.high - primary.delta),
    )


def making(learnt: DatasetManifest, run: int) -> Making:
    return Making(
        run=run,
        dataset=learnt.name,
        merkle_root=learnt.merkle_root,
        base="b" * 64,
        weights="w" * 64,
        intensity="gentle",
        recipe={},
        tools={},
        consent=learnt.consent,
        consents=tuple(sorted({consent for source in learnt.sources for consent in source.consents})),
        attributions=(),
        classes=sources_by_class(learnt.sources),
    )
