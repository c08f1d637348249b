"""A row that its owner left out is in no dataset from then on, costs nothing else, and can be taken back."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.dataset.assemble import Placed
from jobs.dataset.build import Dataset
from jobs.dataset.left_out import DROPPED, LeftOut, leave_out, left_out, take_back, without
from jobs.dataset.proposals import Proposal, Wanted, outline, page, plain_lines, proposals
from jobs.domain.corpus import DocumentId
from jobs.domain.errors import NotEnough
from jobs.domain.examples import SPLITS, Expansion, ExpansionLine, Origin, Pair, Target, row_digest
from tests.unit.dataset.making import built
from tests.unit.dataset.sample import home, notes

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


def digests(dataset: Dataset) -> list[str]:
    return [row_digest(row) for row in (*dataset.train, *dataset.development, *dataset.test)]


@pytest.mark.parametrize("target", ["embedding", "expansion"])
def test_what_is_left_out_is_gone_from_the_next_dataset_and_counted(tmp_path: Path, target: Target) -> None:
    corpus, folder = notes(60), home(tmp_path).left_out
    before = built(tmp_path, corpus, target)
    unwanted = digests(before)[::7]
    for one in unwanted:
        leave_out(folder, one, LeftOut(dataset=before.manifest.name, at=NOW))
    corpus.read_paths.clear()
    after = built(tmp_path, corpus, target)
    assert digests(after) == [one for one in digests(before) if one not in unwanted]
    assert after.manifest.counts.dropped[DROPPED] == len(unwanted)
    assert DROPPED not in before.manifest.counts.dropped
    assert after.manifest.name != before.manifest.name
    assert corpus.read_paths == [], "no note is read again: the cache is as good as before"


def test_what_is_taken_back_makes_the_very_dataset_of_before(tmp_path: Path) -> None:
    corpus, folder = notes(30), home(tmp_path).left_out
    before = built(tmp_path, corpus)
    one = digests(before)[3]
    leave_out(folder, one, LeftOut(dataset=before.manifest.name, at=NOW))
    assert built(tmp_path, corpus).manifest.name != before.manifest.name
    assert take_back(folder, one) and not take_back(folder, one)
    assert built(tmp_path, corpus).manifest.name == before.manifest.name


@pytest.mark.parametrize("target", ["embedding", "expansion"])
def test_a_query_that_was_left_out_judges_no_model(tmp_path: Path, target: Target) -> None:
    corpus = notes(80)
    asked = built(tmp_path, corpus)
    for row in asked.pairs("test"):
        leave_out(home(tmp_path).left_out, row_digest(row), LeftOut())
    assert asked.query_sets and built(tmp_path, corpus, target).query_sets == ()


def test_too_few_rows_are_too_few_whoever_left_them_out(tmp_path: Path) -> None:
    corpus = notes(6)
    before = built(tmp_path, corpus)
    for one in digests(before):
        leave_out(home(tmp_path).left_out, one, LeftOut())
    with pytest.raises(NotEnough):
        built(tmp_path, corpus)


def test_the_file_holds_no_word_of_the_note_and_can_be_read_by_a_person(tmp_path: Path) -> None:
    corpus, folder = notes(5), home(tmp_path).left_out
    dataset = built(tmp_path, corpus)
    one = dataset.pairs("train")[0]
    leave_out(folder, row_digest(one), LeftOut(dataset=dataset.manifest.name, at=NOW))
    [path] = folder.iterdir()
    assert path.stem == row_digest(one) and path.stat().st_mode & 0o777 == 0o600
    said = json.loads(path.read_text())
    assert said == {"schema": "iaip.left-out/1", "dataset": dataset.manifest.name, "at": "2026-03-04T05:06:00Z"}


def test_the_name_decides_whatever_is_in_the_file_and_other_files_are_let_be(tmp_path: Path) -> None:
    (tmp_path / "0123456789abcdef.json").write_text("not JSON")
    (tmp_path / "fedcba9876543210.json").touch()
    for name in ("notes.txt", "0123.json", ".stage-x", "0123456789ABCDEF.json"):
        (tmp_path / name).write_text("{}")
    assert left_out(tmp_path) == {"0123456789abcdef": LeftOut(), "fedcba9876543210": LeftOut()}
    assert left_out(tmp_path / "nowhere") == {}
    assert not take_back(tmp_path, "../notes.txt") and not take_back(tmp_path, "0123")


def pair(note: str, query: str, passage: str) -> Pair:
    document = DocumentId(collection="kb", path=note)
    origin = Origin(document=document, sha256="", start=0, length=len(passage), generator="title")
    return Pair(query=query, title="", passage=passage, relevant=(document,), language="en", origin=origin)


words = st.text("ab \0:", max_size=4)


@given(st.lists(st.builds(pair, words, words, words), max_size=12), st.data())
def test_left_out_is_exactly_what_was_named(rows: list[Pair], data: st.DataObject) -> None:
    placed = [Placed("train", row) for row in rows]
    unwanted = {row_digest(row) for row in rows if data.draw(st.booleans())}
    dropped: Counter[str] = Counter()
    kept = without(unwanted, placed, dropped)
    assert [one.row for one in kept] == [row for row in rows if row_digest(row) not in unwanted]
    assert dropped[DROPPED] == len(rows) - len(kept)


@given(*[st.builds(pair, words, words, words)] * 2)
def test_another_note_query_or_passage_is_another_row(one: Pair, other: Pair) -> None:
    learned = [(str(row.origin.document), row.query, row.passage) for row in (one, other)]
    assert (row_digest(one) == row_digest(other)) == (learned[0] == learned[1])


def test_an_expansion_is_known_by_its_lines() -> None:
    origin = pair("a.md", "q", "p").origin
    lines = (ExpansionLine(kind="lex", text="a"), ExpansionLine(kind="vec", text="b"))
    one = Expansion(query="q", lines=lines, language="en", origin=origin)
    assert row_digest(one) == row_digest(msgspec.structs.replace(one, language="fr"))
    assert row_digest(one) != row_digest(msgspec.structs.replace(one, lines=lines[::-1]))


@pytest.mark.parametrize("target", ["embedding", "expansion"])
def test_pages_hold_every_row_once_and_in_order(tmp_path: Path, target: Target) -> None:
    dataset = built(tmp_path, notes(40), target)
    folder = tmp_path / "datasets" / dataset.manifest.name
    seen: list[Proposal] = []
    start = 0
    while True:
        rows, following = page(folder, target, plain_lines, Wanted(), start=start, most=17)
        seen += rows
        assert len(rows) == 17 or following is None
        if following is None:
            break
        start = following
    assert [one.digest for one in seen] == digests(dataset)
    assert [one.number for one in seen] == list(range(len(seen)))
    assert [one.split for one in seen] == sorted((one.split for one in seen), key=SPLITS.index)


def test_rows_are_found_by_their_words_note_generator_and_class(tmp_path: Path) -> None:
    dataset = built(tmp_path, notes(40))
    folder = tmp_path / "datasets" / dataset.manifest.name
    everything = list(proposals(folder, "embedding", plain_lines))
    one = everything[5]
    note, generator = str(one.row.origin.document), one.row.origin.generator

    def numbers(wanted: Wanted) -> list[int]:
        return [found.number for found in page(folder, "embedding", plain_lines, wanted, start=0, most=1000)[0]]

    assert one.number in numbers(Wanted(words=one.row.query.upper()))
    assert one.number in numbers(Wanted(words=one.text[20:60]))
    assert numbers(Wanted(note=note)) == [row.number for row in everything if str(row.row.origin.document) == note]
    both = numbers(Wanted(note=note, generator=generator))
    assert one.number in both and len(both) < len(numbers(Wanted(note=note)))
    assert numbers(Wanted(classification="public")) == [row.number for row in everything]
    assert numbers(Wanted(classification="community")) == numbers(Wanted(words="no such words at all")) == []


def test_an_outline_tells_the_counts_of_a_dataset_that_is_there(tmp_path: Path) -> None:
    dataset = built(tmp_path, notes(10))
    found = outline(tmp_path / "datasets", dataset.manifest.name)
    assert found is not None
    assert (found.counts, len(found.sources)) == (dataset.manifest.counts, len(dataset.manifest.sources))
    for name in (None, "", "..", "0123456789abcdef", "../datasets/" + dataset.manifest.name):
        assert outline(tmp_path / "datasets", name) is None
