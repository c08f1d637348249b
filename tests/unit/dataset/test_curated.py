"""What the owner curates: pairs and expansions follow their documents, and a bad line is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.domain.errors import NotEnough
from jobs.domain.examples import Expansion, Pair
from tests.unit.dataset.making import built, curate, fresh, rows
from tests.unit.dataset.sample import note, notes


def test_too_few_rows_and_a_curated_line_of_no_use_name_the_line(tmp_path: Path) -> None:
    curated = tmp_path / "curated" / "embedding"
    curated.mkdir(parents=True)
    (curated / "mine.jsonl").write_text("not JSON\n")
    with pytest.raises(NotEnough) as raised:
        built(tmp_path, notes(3), minimum_pairs=500)
    assert "mend curated/embedding/mine.jsonl:1: not JSON in UTF-8 (1 of 1 unused lines)" in raised.value.remedy


def test_curated_pairs_follow_their_document_and_bad_lines_are_named(tmp_path: Path) -> None:
    curate(
        tmp_path,
        "embedding/mine.jsonl",
        {"query": "how was the third one made", "document": "note-3.md"},
        {"query": "the fourth with its collection", "document": "kb/note-4.md"},
        "not json",
        {"query": "no document"},
        {"query": " ", "document": "note-3.md"},
        {"query": "a missing one", "document": "note-999.md"},
        {"query": "free text", "document": "Rivers carry gravel down to the sea, slowly.", "title": "Rivers"},
    )
    dataset = built(tmp_path, notes(20))
    curated = [row for row in rows(dataset) if row.origin.generator == "curated"]
    assert {row.query for row in curated} == {
        "how was the third one made",
        "the fourth with its collection",
        "free text",
    }
    assert [problem.split(" ")[0] for problem in dataset.manifest.curated_problems] == [
        f"embedding/mine.jsonl:{line}:" for line in (3, 4, 5, 6)
    ]
    free = next(row for row in curated if row.query == "free text")
    assert isinstance(free, Pair)
    assert (free.title, free.relevant, free.origin.document.collection) == ("Rivers", (), "curated")
    assert free.origin.document.path.startswith("embedding/mine.jsonl#")


def test_the_documents_of_one_curated_query_stay_together(tmp_path: Path) -> None:
    lines = [{"query": f"claim {n // 3}", "document": f"note-{n}.md"} for n in range(60)]
    curate(tmp_path, "embedding/claims.jsonl", *lines)
    dataset = built(tmp_path, notes(60))
    for number in range(20):
        found = [
            (split, row)
            for split in ("train", "development", "test")
            for row in dataset.pairs(split)
            if row.query == f"claim {number}"
        ]
        assert len(found) == 3
        assert len({split for split, _ in found}) == 1
        assert {len(row.relevant) for _, row in found} == {3}
    assert [query_set.name for query_set in dataset.query_sets] == ["curated-held-out", "held-out"]


def test_free_text_copied_from_a_note_goes_where_the_note_goes(tmp_path: Path) -> None:
    lines = [{"query": f"copied words {n}", "document": note(n)} for n in range(40)]
    curate(tmp_path, "embedding/copies.jsonl", *lines)
    dataset = built(tmp_path, notes(40))
    for split in ("train", "development", "test"):
        copied = [row for row in dataset.pairs(split) if row.query.startswith("copied words")]
        own = {row.origin.document for row in dataset.pairs(split) if row.origin.generator != "curated"}
        assert all(set(row.relevant) <= own for row in copied)
        assert all(row.relevant for row in copied)


def test_curated_expansions_are_linted_and_counted(tmp_path: Path) -> None:
    curate(
        tmp_path,
        "expansion/mine.jsonl",
        {"query": "tar files", "output": [["lex", "extract a tarball"], ["lex", "zip"], ["vec", "how to unpack tar"]]},
        {"query": "nothing fits", "output": [["lex", "zzz"]]},
        {"query": "bad kind", "output": [["lexx", "bad"]]},
    )
    dataset = built(tmp_path, notes(20), "expansion")
    row = next(row for row in rows(dataset) if row.query == "tar files")
    assert isinstance(row, Expansion)
    assert [line.text for line in row.lines] == ["extract a tarball", "how to unpack tar"]
    assert dataset.manifest.counts.dropped["line shares no word with its query"] == 1
    assert [problem.split(" ")[0] for problem in dataset.manifest.curated_problems] == [
        "expansion/mine.jsonl:2:", "expansion/mine.jsonl:3:",
    ]  # fmt: skip


def test_a_curated_file_that_cannot_be_read_is_named_and_the_others_are_used(tmp_path: Path) -> None:
    line = {"query": "how was the third one made", "document": "note-3.md"}
    curate(tmp_path, "embedding/mine.jsonl", line)
    (tmp_path / "curated" / "embedding" / "old.jsonl").mkdir()
    (tmp_path / "curated" / "embedding" / "lost.jsonl").symlink_to("nowhere.jsonl")
    found = fresh(tmp_path, notes(20))
    assert found.new_pairs > 0
    dataset = built(tmp_path, notes(20))
    assert [row.query for row in rows(dataset) if row.origin.generator == "curated"] == [line["query"]]
    assert dataset.manifest.curated_problems == (
        "embedding/lost.jsonl:1: cannot be read (No such file or directory)",
        "embedding/old.jsonl:1: cannot be read (Is a directory)",
    )
