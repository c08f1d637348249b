"""The bench reads what the product answers."""

from __future__ import annotations

import msgspec
import pytest

from tests.bench.loop import metric_of
from tests.unit.domain.judged_sets import decide, query_set, rise, scored


def test_the_loops_bench_finds_its_sets_figures_in_a_verdict() -> None:
    verdict = decide(
        scored(query_set("scifact", kind="curated"), *rise(30, 0.2)),
        scored(query_set("held-out"), *rise(30, -0.1)),
    )
    found = metric_of(msgspec.to_builtins(verdict), "scifact")
    assert found["metric"] == "nDCG@10"
    assert found["candidate"] - found["current"] == pytest.approx(0.2)
