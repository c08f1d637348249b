"""Who is right for whom, and how well vectors find it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from jobs.domain.corpus import DocumentId
from jobs.domain.examples import Generator, Origin, Pair
from jobs.domain.retrieval import Shelf, Vectors, development_scores, keys_of, most_telling, serve, serve_for_training


def _pair(query: str, passage: str, *documents: str, generator: Generator = "title") -> Pair:
    relevant = tuple(DocumentId(collection="notes", path=document) for document in documents)
    origin = Origin(document=relevant[0], sha256="", start=0, length=1, generator=generator)
    return Pair(query=query, title="", passage=passage, relevant=relevant, language="en", origin=origin)


def _vectors(*rows: tuple[float, ...]) -> Vectors:
    return np.array(rows, dtype=np.float32)


def test_pairs_are_served_with_qmds_prompts() -> None:
    served = serve([_pair("thaw", "Ice leaves.", "lake.md")], "all-minilm-l6-v2")
    assert served[0].query == "task: search result | query: thaw"
    assert served[0].passage == "title: none | text: Ice leaves."


def test_pairs_that_share_a_query_a_passage_or_a_document_share_a_key() -> None:
    one, same_query, same_passage, same_document, stranger = serve(
        [
            _pair("thaw", "Ice.", "lake.md"),
            _pair("thaw", "Snow.", "hill.md"),
            _pair("melt", "Ice.", "pond.md"),
            _pair("melt", "Fish.", "lake.md"),
            _pair("seed", "Corn.", "field.md"),
        ],
        "base",
    )
    for other in (same_query, same_passage, same_document):
        assert keys_of(one) & keys_of(other)
    assert not keys_of(one) & keys_of(stranger)


def test_other_passages_of_a_relevant_document_are_related_not_right() -> None:
    pairs = serve([_pair("thaw", "Ice.", "lake.md"), _pair("fish", "Trout.", "lake.md"), _pair("x", "y", "z.md")], "b")
    shelf = Shelf(pairs)
    assert shelf.right(pairs[0].query) == {0}
    assert shelf.related(pairs[0]) == {0, 1}


def test_development_scores_come_by_kind_of_query() -> None:
    pairs = serve(
        [
            _pair("a", "A", "a.md"),
            _pair("b", "B", "b.md"),
            _pair("c", "C", "c.md"),
            _pair("asked", "D", "d.md", generator="curated"),
        ],
        "base",
    )
    shelf = Shelf(pairs)
    passages = _vectors((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))
    found = _vectors((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))
    curated_second = _vectors((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0.9, 0, 0, 0.4))
    assert development_scores(pairs, shelf, found, passages) == {"title": [1.0, 1.0, 1.0], "curated": [1.0]}
    assert development_scores(pairs, shelf, curated_second, passages)["curated"] == [pytest.approx(0.63093, abs=1e-4)]


def test_a_related_passage_neither_helps_nor_hurts() -> None:
    pairs = serve([_pair("a", "A", "a.md"), _pair("b", "more of A", "a.md")], "base")
    shelf = Shelf(pairs)
    passages = _vectors((0.6, 0.8), (1, 0))
    assert development_scores(pairs[:1], shelf, _vectors((1, 0)), passages) == {"title": [1.0]}


def test_without_queries_there_are_no_scores() -> None:
    assert development_scores([], Shelf([]), _vectors(), _vectors()) == {}


def test_too_many_pairs_leave_the_curated_ones_in() -> None:
    pairs = [_pair(str(index), str(index), f"{index}.md") for index in range(50)]
    pairs.append(_pair("asked", "D", "d.md", generator="curated"))
    kept = most_telling(pairs, 10, curated_repeats=3, seed=7)
    assert len(kept) == 10
    assert kept[-3:] == [pairs[-1]] * 3
    assert most_telling(pairs, 100, curated_repeats=1, seed=7) == pairs


def test_a_title_is_not_written_before_its_own_passage_in_training_but_is_when_served() -> None:
    pair = msgspec.structs.replace(_pair("Lakes", "Ice leaves.", "lake.md"), title="Lakes")
    assert serve_for_training([pair], "base")[0].passage == "title: none | text: Ice leaves."
    assert serve([pair], "base")[0].passage == "title: Lakes | text: Ice leaves."
    asked = msgspec.structs.replace(pair, query="when does the ice go")
    assert serve_for_training([asked], "base")[0].passage == "title: Lakes | text: Ice leaves."
