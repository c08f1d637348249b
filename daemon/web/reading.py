"""What the page shows of a run, put together from the ledger. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from daemon.ledger.books import Books
from daemon.ledger.records import Job, Run, StoredAnswer
from daemon.web.wellness import Measure
from jobs.dataset.proposals import Lines
from jobs.domain.artifacts import Progress
from jobs.domain.errors import IaipError
from jobs.domain.examples import JudgedQuery, QuerySet
from jobs.domain.gates import DECISIVE_METRIC, Verdict
from jobs.domain.results import BaselineResult, DatasetResult, ValidationResult, asked
from jobs.releases import Release

HeldOut = Callable[[str], tuple[QuerySet, ...]]
"""Gives the sets that a dataset of that name holds; none if it is gone, or its key is."""

TOP = 5
POINTS = 240
"""Points of a curve: more than a small drawing can show apart."""


class Side(Struct, frozen=True, kw_only=True):
    """One arm's answer to a query: its first documents with their grades, its score, and the place of the first
    right document, if any was found."""

    arm: str
    score: float
    place: int | None
    documents: tuple[tuple[str, int], ...]


class Compared(Struct, frozen=True, kw_only=True):
    """A query with both arms' answers side by side."""

    query_set: str
    query: str
    text: str
    before: Side
    after: Side

    @property
    def change(self) -> float:
        return self.after.score - self.before.score


class RunView(Struct, frozen=True, kw_only=True):
    run: Run
    jobs: list[Job]
    training: list[Progress]
    baseline: BaselineResult | None
    verdict: Verdict | None
    compared: tuple[Compared, ...]
    """The most moved first; empty without a verdict."""


def held_out_in(datasets: Path, lines: Lines) -> HeldOut:
    def held_out(name: str) -> tuple[QuerySet, ...]:
        with suppress(OSError, msgspec.DecodeError, IaipError):
            content = b"".join(lines(datasets / name / "queries.json"))
            return msgspec.json.decode(content, type=tuple[QuerySet, ...])
        return ()

    return held_out


def run_view(books: Books, number: int, held_out: HeldOut) -> RunView:
    """Raises KeyError for a run that is not there."""
    run = books.jobs.run(number)
    jobs = books.jobs.of_run(number)
    verdict = _verdict(jobs)
    baseline = _baseline(jobs, held_out)
    return RunView(
        run=run,
        jobs=jobs,
        training=training(books, jobs),
        baseline=baseline,
        verdict=verdict,
        compared=compared(books.results.answers(number), baseline.sets, verdict) if verdict and baseline else (),
    )


def training(books: Books, jobs: list[Job]) -> list[Progress]:
    """The curve of the run's training, if it has begun."""
    return next((books.history.progress(job.id, POINTS) for job in jobs if job.stage == "train"), [])


def judged_sets(books: Books, run: int, held_out: HeldOut) -> tuple[BaselineResult, Verdict] | None:
    """What a run asked and how it was judged; none if it has no verdict."""
    jobs = books.jobs.of_run(run)
    baseline, verdict = _baseline(jobs, held_out), _verdict(jobs)
    return None if baseline is None or verdict is None else (baseline, verdict)


def measure(books: Books, live: Release | None) -> Measure | None:
    """What the live release's gain was measured on; none if the ledger does not know (any more)."""
    if live is None or live.metadata.run is None:
        return None
    found = judged_sets(books, live.metadata.run, lambda dataset: ())
    if found is None:
        return None
    baseline, verdict = found
    primary = next((group for group in verdict.sets if group.kind == "primary"), None)
    if primary is None:
        return None
    curated = [one for one in baseline.sets if one.kind == "curated"]
    own = primary.name in {one.name for one in curated} or primary.queries == sum(len(one.queries) for one in curated)
    return Measure(queries=primary.queries, own=own)


def compared(answers: list[StoredAnswer], sets: tuple[QuerySet, ...], verdict: Verdict) -> tuple[Compared, ...]:
    """Every query that both arms answered, the most moved first."""
    queries = {(one.name, query.id): query for one in sets for query in one.queries}
    by_arm: dict[tuple[str, str], dict[str, StoredAnswer]] = {}
    for answer in answers:
        by_arm.setdefault((answer.query_set, answer.query), {})[answer.arm] = answer
    found = [
        _compared(queries[key], arms, verdict.reference)
        for key, arms in by_arm.items()
        if key in queries and {"candidate", verdict.reference} <= arms.keys()
    ]
    return tuple(sorted(found, key=lambda one: (-abs(one.change), one.query_set, one.query)))


def _compared(query: JudgedQuery, arms: Mapping[str, StoredAnswer], reference: str) -> Compared:
    return Compared(
        query_set=arms["candidate"].query_set,
        query=query.id,
        text=query.text,
        before=_side(arms[reference], query),
        after=_side(arms["candidate"], query),
    )


def _side(answer: StoredAnswer, query: JudgedQuery) -> Side:
    return Side(
        arm=answer.arm,
        score=answer.metrics[DECISIVE_METRIC],
        place=next((place for place, name in enumerate(answer.documents, 1) if query.relevant.get(name, 0) > 0), None),
        documents=tuple((name, query.relevant.get(name, 0)) for name in answer.documents[:TOP]),
    )


def _verdict(jobs: list[Job]) -> Verdict | None:
    found = next((job.result for job in jobs if job.stage == "validate" and job.result), None)
    return None if found is None else msgspec.convert(found, ValidationResult).verdict


def _baseline(jobs: list[Job], held_out: HeldOut) -> BaselineResult | None:
    """With all that it asked, as far as that can still be read."""
    results = {job.stage: job.result for job in jobs if job.result}
    if "baseline" not in results:
        return None
    found = msgspec.convert(results["baseline"], BaselineResult)
    dataset = msgspec.convert(results["dataset"], DatasetResult).dataset if "dataset" in results else ""
    return msgspec.structs.replace(found, sets=asked(found, held_out(dataset) if dataset else ()))
