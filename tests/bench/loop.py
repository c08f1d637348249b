"""The whole loop through real QMD on a public retrieval set: one Markdown file an article, the product's commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

from tests.bench.retrieval_sets import RetrievalSet, write_knowledge_base
from tests.house import House

SETTINGS = """
[watch]
quiet = 1.0
[schedule]
new_pairs = 1000000
new_expansions = 1000000
"""
METRIC = "nDCG@10"
LONGEST = 7200.0


class LoopResult(Struct, frozen=True, kw_only=True):
    """What the gate said, and what it measured of the set's own test questions by the model alone."""

    outcome: str
    reason: str
    current: float
    candidate: float
    low: float
    high: float


def measure_loop(whole: RetrievalSet, folder: Path, tell: Callable[[str], None]) -> LoopResult:
    """From notes to verdict, and to a release if the gate says so. ``tell`` hears each stage."""
    house = House(folder, SETTINGS, lambda home, notes: write_knowledge_base(whole, home, notes))
    try:
        number = house.begin()
        heard: set[str] = set()

        def told() -> bool:
            for job in house.books.jobs.of_run(number):
                if job.stage not in heard:
                    heard.add(job.stage)
                    tell(f"{whole.name}: {job.stage}")
            return house.books.jobs.run(number).state != "active"

        house.until(told, LONGEST)
        run = house.books.jobs.run(number)
        assert run.state == "done", run.reason
        verdict = json.loads(house.types("verdict", str(number), "--json"))
    finally:
        house.stop()
    (folder / "verdict.json").write_text(json.dumps(verdict, indent=1))
    metric = metric_of(verdict, whole.name)
    return LoopResult(
        outcome=str(run.outcome),
        reason=str(run.reason),
        current=metric["current"],
        candidate=metric["candidate"],
        low=metric["low"],
        high=metric["high"],
    )


def metric_of(verdict: dict[str, Any], name: str) -> dict[str, Any]:
    """The decisive metric of the set's own group, in a document of `iaipctl verdict --json`."""
    comparisons = next(each["comparisons"] for each in verdict["sets"] if each["name"] == name)
    metric: dict[str, Any] = next(each for each in comparisons if each["metric"] == METRIC)
    return metric
