import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("ir_measures")
pytestmark = pytest.mark.ml

from jobs.adapters.ir_metrics import IrMeasures
from jobs.domain.examples import JudgedQuery, QuerySet
from jobs.domain.gates import METRICS, Answer

names = st.text(max_size=8).filter(bool)


def scored(relevant: dict[str, int], *documents: str) -> dict[str, float]:
    query = JudgedQuery(id="a query, oddly named\n", text="", relevant=relevant)
    answer = Answer(query=query.id, documents=documents, milliseconds=1.0)
    (score,) = IrMeasures().score(QuerySet(name="set", kind="curated", queries=(query,)), [answer])
    assert score.query == query.id
    return score.metrics


def test_metrics_follow_the_given_order_not_the_alphabet():
    assert scored({"b": 1}, "a", "b", "c") == pytest.approx(
        {"RR@10": 1 / 2, "P@5": 1 / 5, "nDCG@10": 1 / math.log2(3), "Success@5": 1.0}
    )
    assert scored({"b": 1}, "c", "b", "a") == scored({"b": 1}, "a", "b", "c")


def test_ids_with_spaces_accents_and_odd_characters_are_told_apart():
    documents = ["notes/été à 2 voix.md", "notes/été à 2 voix", "a\tb", "a b", "a\nb", "\udce9", "日本.md", "nul\0l"]
    for rank, document in enumerate(documents, start=1):
        assert scored({document: 1}, *documents)["RR@10"] == pytest.approx(1 / rank)


def test_a_document_named_twice_counts_once_at_its_first_place():
    assert scored({"b": 1, "c": 1}, "b", "b", "c") == scored({"b": 1, "c": 1}, "b", "c")


def test_a_higher_grade_gains_more_and_grade_zero_is_not_relevant():
    assert scored({"a": 3, "b": 1}, "a", "b")["nDCG@10"] > scored({"a": 3, "b": 1}, "b", "a")["nDCG@10"]
    assert scored({"a": 0, "b": 1}, "a") == dict.fromkeys(METRICS, 0.0)


def test_a_query_without_an_answer_or_without_a_relevant_document_scores_nothing():
    queries = tuple(JudgedQuery(id=name, text="", relevant=relevant) for name, relevant in [("p", {"d": 1}), ("q", {})])
    answers = [Answer(query=name, documents=("d",), milliseconds=1.0) for name in ("q", "stranger")]
    scores = IrMeasures().score(QuerySet(name="set", kind="held-out", queries=queries), answers)
    assert [score.query for score in scores] == ["p", "q"]
    assert all(score.metrics == dict.fromkeys(METRICS, 0.0) for score in scores)


def test_an_empty_set_has_no_scores():
    assert IrMeasures().score(QuerySet(name="set", kind="curated", queries=()), []) == ()


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(names, st.integers(1, 3), min_size=1, max_size=6), st.lists(names, max_size=15))
def test_every_metric_is_what_its_definition_says(relevant, documents):
    ranked = list(dict.fromkeys(documents))
    hits = [rank for rank, document in enumerate(ranked[:10], start=1) if document in relevant]
    gain = sum(relevant[ranked[rank - 1]] / math.log2(rank + 1) for rank in hits)
    ideal = sum(
        grade / math.log2(rank + 1) for rank, grade in enumerate(sorted(relevant.values(), reverse=True)[:10], start=1)
    )
    early = sum(rank <= 5 for rank in hits)
    assert scored(relevant, *documents) == pytest.approx(
        {
            "RR@10": 1 / hits[0] if hits else 0.0,
            "P@5": early / 5,
            "nDCG@10": gain / ideal,
            "Success@5": float(early > 0),
        },
        abs=1e-6,
    )
