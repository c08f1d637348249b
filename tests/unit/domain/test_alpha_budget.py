"""Judging again by the same queries spends the same alpha, however their set is cut by then."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("numpy")
pytestmark = pytest.mark.ml

from jobs.domain.deciding import attempt_on, deciding_queries
from jobs.domain.examples import JudgedQuery
from tests.unit.domain.judged_sets import GATE, query_set, scored


def budget(queries: Sequence[JudgedQuery], kind="held-out") -> tuple[str, ...]:
    asked = msgspec.structs.replace(query_set(kind=kind), queries=tuple(queries))
    return deciding_queries([scored(asked, [0.5] * len(queries), [0.5] * len(queries))], GATE)


def test_a_query_set_that_changed_a_little_goes_on_spending_its_alpha():
    queries = query_set(size=300).queries
    seen_by_now = msgspec.structs.replace(queries[0], seen=True, id="another")
    other = JudgedQuery(id="new", text="new", relevant={"notes/new.md": 1})
    again = budget([seen_by_now, *queries[1:-1], other])
    for times in (1, 7):
        assert attempt_on(again, dict.fromkeys(budget(queries), times)) == times + 1


def test_a_query_set_that_is_mostly_new_begins_its_alpha_anew():
    queries = query_set(size=40).queries
    new = [msgspec.structs.replace(query, text=f"new {query.id}") for query in queries]
    assert attempt_on(budget([*queries[:19], *new]), dict.fromkeys(budget(queries), 5)) == 1


def test_another_judgement_of_a_query_makes_it_another_query():
    [query] = query_set(size=1).queries
    assert budget([query]) != budget([msgspec.structs.replace(query, relevant={"notes/other.md": 1})])


def test_only_the_queries_that_decide_spend_alpha():
    own, made = query_set("mine", size=25, kind="curated"), query_set(size=60)
    both = [scored(one, [0.5] * len(one.queries), [0.5] * len(one.queries)) for one in (own, made)]
    assert deciding_queries(both, GATE) == budget(own.queries, "curated")
    assert len(deciding_queries(both, GATE)) == 25


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_the_middle_query_says_which_attempt_it_is(counts):
    names = [str(number) for number in range(len(counts))]
    attempt = attempt_on(names, dict(zip(names, counts, strict=True)))
    assert sum(count < attempt for count in counts) * 2 >= len(counts)
    assert min(counts) < attempt <= max(counts) + 1
