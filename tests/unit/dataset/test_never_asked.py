"""What the gate asks is taught to no model, whoever wrote it down and wherever it stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.dataset.words import query_key
from jobs.domain.errors import NotEnough
from jobs.domain.examples import Target
from tests.unit.dataset.making import built, curate
from tests.unit.dataset.sample import home, notes

DROPPED = "query that the gate asks"


def evaluate(folder: Path, *texts: str) -> None:
    place = home(folder).evaluation / "mine"
    place.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"_id": str(number), "text": text}) for number, text in enumerate(texts)]
    (place / "queries.jsonl").write_text("\n".join(["nonsense", *lines]))


@pytest.mark.parametrize("target", ["embedding", "expansion"])
def test_a_query_of_the_evaluation_is_in_no_training_row_however_it_is_written(tmp_path: Path, target: Target) -> None:
    before = built(tmp_path, notes(60), target)
    asked = [before.train[0].query, before.train[-1].query, before.development[0].query]
    evaluate(tmp_path, *(f" {query.upper()}?" for query in asked))
    after = built(tmp_path, notes(60), target)
    keys = {query_key(query) for query in asked}
    assert keys.isdisjoint(query_key(row.query) for row in (*after.train, *after.development))
    lost = [row for row in (*before.train, *before.development) if query_key(row.query) in keys]
    assert after.manifest.counts.dropped[DROPPED] == len(lost) >= 3
    assert len(after.train) + len(after.development) == len(before.train) + len(before.development) - len(lost)
    assert after.test == before.test, "what judges stays"


def test_a_curated_expansion_of_a_held_out_query_is_not_trained_on(tmp_path: Path) -> None:
    [*_, judging] = built(tmp_path / "before", notes(60), "expansion").query_sets
    lines = [
        {"query": query.text, "output": [["lex", f"{query.text} {word}"]]}
        for query in judging.queries
        for word in ("river", "meadow")
    ]
    curate(tmp_path, "expansion/mine.jsonl", *lines, {"query": "mulching", "output": [["lex", "mulching a terrace"]]})
    dataset = built(tmp_path, notes(60), "expansion")
    asked = {query_key(query.text) for one in dataset.query_sets for query in one.queries}
    assert asked.isdisjoint(query_key(row.query) for row in (*dataset.train, *dataset.development))
    assert dataset.manifest.counts.dropped[DROPPED] == len(lines)
    assert dataset.manifest.counts.generators["curated"] == 1, "others are"


def test_rows_that_the_evaluation_takes_away_do_not_count_as_there(tmp_path: Path) -> None:
    before = built(tmp_path, notes(30))
    evaluate(tmp_path, *(row.query for row in before.train))
    with pytest.raises(NotEnough):
        built(tmp_path, notes(30), minimum_pairs=len(before.test) + len(before.development) + 1)
