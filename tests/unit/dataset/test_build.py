"""Datasets made from notes: every row sound and traceable, no document in two splits, and the same each time."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.adapters.markdown_folders import MarkdownFolders
from jobs.dataset.build import Dataset, Inputs, build, load
from jobs.dataset.refresh import refresh
from jobs.domain.corpus import Collection, DocumentId
from jobs.domain.errors import BadInput, NotEnough
from jobs.domain.examples import Expansion, Pair, Target
from jobs.publish import write_file
from tests.house import keys_of
from tests.unit.dataset.making import built, curate, fresh, rows
from tests.unit.dataset.sample import Notes, excluding, home, note, notes, quiet, small_settings

GONE = BadInput("the file is gone", remedy="none")


def test_every_pair_has_a_query_a_passage_of_its_document_and_its_lineage(tmp_path: Path) -> None:
    corpus = notes(30)
    dataset = built(tmp_path, corpus)
    assert len(rows(dataset)) > 60
    for row in rows(dataset):
        assert isinstance(row, Pair)
        text = corpus.notes[row.origin.document.path]
        assert isinstance(text, str)
        assert text[row.origin.start : row.origin.start + row.origin.length] == row.passage
        assert row.origin.sha256 == hashlib.sha256(text.encode()).hexdigest()
        assert 0 < len(row.query) <= 200
        assert row.origin.document in row.relevant


@pytest.mark.parametrize("target", ["embedding", "expansion"])
def test_no_document_is_in_two_splits(tmp_path: Path, target: Target) -> None:
    corpus = notes(60, **{"twin.md": note(3) + "\nOne more line.\n"})
    corpus.notes["linking.md"] = note(99) + "\n[Where all of it began](note-1.md) and [how it went on](note-2.md)\n"
    dataset = built(tmp_path, corpus, target)
    places: dict[DocumentId, set[str]] = {}
    for split in ("train", "development", "test"):
        found: list[Pair | Expansion] = [*dataset.pairs(split), *dataset.expansions(split)]
        for row in found:
            for document in (row.origin.document, row.origin.through, *row.relevant):
                if document:
                    places.setdefault(document, set()).add(split)
    assert all(len(splits) == 1 for splits in places.values())
    assert {split for splits in places.values() for split in splits} == {"train", "development", "test"}


def test_both_targets_keep_back_the_same_documents(tmp_path: Path) -> None:
    corpus = notes(60)
    kept = [
        {row.origin.document for row in built(tmp_path, corpus, target).test} for target in ("embedding", "expansion")
    ]
    assert kept[1] and kept[1] <= kept[0]


def test_near_duplicates_are_relevant_together(tmp_path: Path) -> None:
    dataset = built(tmp_path, notes(20, **{"twin.md": note(3).replace("made", "built")}))
    twins = {"note-3.md", "twin.md"}
    found = [row for row in rows(dataset) if row.origin.document.path in twins]
    assert found
    assert all({document.path for document in row.relevant} == twins for row in found)


def test_an_excluded_document_never_yields_a_row(tmp_path: Path) -> None:
    corpus = notes(20)
    corpus.notes["secret.md"] = "---\niaip: exclude\n---\n" + note(500)
    corpus.notes["broken.md"] = "---\na: [\n---\n" + note(501)
    corpus.notes["private/x.md"] = note(502)
    corpus.notes["linking.md"] = note(503) + "\n[A very telling anchor](secret.md) [[secret|Another telling anchor]]\n"
    settings = excluding("Private")
    for target in ("embedding", "expansion"):
        manifest = build(target, corpus.inputs(home(tmp_path), settings), quiet)
        dataset = load(home(tmp_path).datasets / manifest.name, keys_of(home(tmp_path)))
        assert manifest.excluded == 3
        named = {document.path for row in rows(dataset) for document in (row.origin.document, *row.relevant)}
        named |= {known.id.path for known in dataset.documents} | {source.id.path for source in manifest.sources}
        assert named.isdisjoint({"secret.md", "broken.md", "private/x.md"})
        for row in rows(dataset):
            assert "telling anchor" not in row.query
            assert not any(f"{number} is about" in repr(row) for number in (500, 501, 502))
    cache = home(tmp_path).examples_cache.read_bytes()
    assert b"500 is about" not in cache and b"502 is about" not in cache


def test_a_document_that_becomes_excluded_leaves_the_cache(tmp_path: Path) -> None:
    corpus = notes(5, **{"later.md": note(700)})
    fresh(tmp_path, corpus)
    corpus.notes["later.md"] = "---\niaip: exclude\n---\n" + note(700)
    assert fresh(tmp_path, corpus).excluded == 1
    assert b"700 is about" not in home(tmp_path).examples_cache.read_bytes()


def test_the_same_inputs_give_the_same_digest_whatever_the_order_and_the_history(tmp_path: Path) -> None:
    one = built(tmp_path / "a", notes(20)).manifest
    shuffled = Notes(dict(reversed(notes(20).notes.items())))
    fresh(tmp_path / "b", notes(7))
    two = built(tmp_path / "b", shuffled).manifest
    assert one == two


def test_another_seed_gives_another_dataset(tmp_path: Path) -> None:
    assert built(tmp_path, notes(20)).manifest.name != built(tmp_path, notes(20), seed=8).manifest.name


def test_one_changed_note_is_one_notes_work_and_changes_only_its_rows(tmp_path: Path) -> None:
    corpus = notes(40)
    before = built(tmp_path, corpus)
    corpus.read_paths.clear()
    corpus.notes["note-5.md"] = note(905)
    after = built(tmp_path, corpus)
    assert corpus.read_paths == ["note-5.md"]

    def others(dataset: Dataset) -> list[Pair | Expansion]:
        return [row for row in rows(dataset) if row.origin.document.path != "note-5.md"]

    assert others(before) == others(after)
    assert rows(before) != rows(after)


def test_a_refresh_says_what_is_new(tmp_path: Path) -> None:
    corpus = notes(10)
    first = fresh(tmp_path, corpus)
    assert (first.regenerated, first.new_pairs, first.new_expansions) == (10, first.pairs, first.expansions)
    again = fresh(tmp_path, corpus)
    assert (again.regenerated, again.removed, again.new_pairs, again.pairs) == (0, 0, 0, first.pairs)
    corpus.notes["note-1.md"] = (
        note(1) + "\n## Something else entirely\n\nA new section with ten words of its own prose here.\n"
    )
    del corpus.notes["note-2.md"]
    curate(tmp_path, "embedding/mine.jsonl", {"query": "q", "document": "note-1.md"})
    changed = fresh(tmp_path, corpus)
    assert (changed.regenerated, changed.removed) == (1, 1)
    assert 1 <= changed.new_pairs - 1 <= 4 + 1


def test_an_unreadable_note_is_counted_and_tried_again(tmp_path: Path) -> None:
    corpus = notes(5, **{"odd.md": GONE})
    assert fresh(tmp_path, corpus).unreadable == 1
    corpus.notes["odd.md"] = note(77)
    assert fresh(tmp_path, corpus).regenerated == 1


def test_notes_in_wrong_encodings_huge_ones_and_links_are_counted_and_the_rest_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "kb"
    folder.mkdir()
    names = ["good.md", "latin.md", "binary.md", "huge.md", "loop.md", "gone.md"]
    (folder / "good.md").write_text(note(1))
    (folder / "latin.md").write_bytes("# Été à la plage\n".encode("latin-1"))
    (folder / "binary.md").write_bytes(b"# x\0y")
    with (folder / "huge.md").open("wb") as file:
        file.truncate(100_000_000)
    (folder / "loop.md").symlink_to(folder / "loop.md")
    corpus = MarkdownFolders([Collection(name="kb", path=str(folder))], largest=5_000_000)
    listing = [(DocumentId(collection="kb", path=name), "0" * 64) for name in names]
    place = home(tmp_path)
    inputs = Inputs(corpus=corpus, documents=listing, home=place, settings=small_settings(), keys=keys_of(place))
    found = refresh(inputs, quiet)
    assert (found.documents, found.regenerated, found.unreadable) == (6, 1, 5)


def test_notes_that_link_in_a_circle_are_read_once(tmp_path: Path) -> None:
    corpus = notes(10)
    corpus.notes["a.md"] = note(801) + "\n[On to the second](b.md) [[a|Back to this very note]]\n"
    corpus.notes["b.md"] = note(802) + "\n[Back to the first](a.md) [Up and away from here](../../../etc/passwd)\n"
    built(tmp_path, corpus)
    assert sorted(corpus.read_paths) == sorted(corpus.notes)


def test_too_few_rows_end_with_the_counts_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotEnough, match=r"\d+ pairs from 3 notes .* 500 are needed") as raised:
        built(tmp_path, notes(3), minimum_pairs=500)
    assert "curated/embedding" in raised.value.remedy


def test_held_out_queries_are_answered_by_documents_kept_back_alone(tmp_path: Path) -> None:
    dataset = built(tmp_path, notes(120), most_test_queries=25)
    (held_out,) = dataset.query_sets
    trained = {str(row.origin.document) for row in (*dataset.train, *dataset.development)}
    assert len(held_out.queries) == 25
    assert len({query.text.casefold() for query in held_out.queries}) == 25
    assert all(query.relevant and trained.isdisjoint(query.relevant) for query in held_out.queries)
    assert len({name for query in held_out.queries for name in query.relevant}) >= 12


def test_a_heading_that_many_notes_have_is_asked_with_its_subject(tmp_path: Path) -> None:
    corpus = Notes(
        {
            f"{n}.md": note(n) + "\n## Daily field report\n\nEight words or more are needed in this section.\n"
            for n in range(9)
        }
    )
    asked = [row.query for row in rows(built(tmp_path, corpus)) if "Daily field report" in row.query]
    assert len(asked) == 9
    assert "Daily field report" not in asked


def test_expansions_have_all_three_kinds_in_the_shape_qmd_rewards(tmp_path: Path) -> None:
    dataset = built(tmp_path, notes(60), "expansion")
    assert len(rows(dataset)) >= 60
    for row in rows(dataset):
        assert isinstance(row, Expansion)
        kinds = [line.kind for line in row.lines]
        assert set(kinds) == {"lex", "vec", "hyde"}
        hyde = row.lines[-1]
        assert (hyde.kind, 50 <= len(hyde.text) <= 200) == ("hyde", True)
        assert all(" " in line.text and len(line.text) > 15 for line in row.lines if line.kind == "vec")
        assert row.query not in [line.text for line in row.lines]


def test_a_damaged_dataset_is_refused_with_a_remedy(tmp_path: Path) -> None:
    dataset = built(tmp_path, notes(10))
    folder = home(tmp_path).datasets / dataset.manifest.name
    (folder / "train.jsonl").write_text("{")
    with pytest.raises(BadInput, match="cannot be read"):
        load(folder, keys_of(home(tmp_path)))


def test_a_dataset_that_was_written_badly_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.dataset.build.write_file", lambda path, content: write_file(path, content[:-9]))
    with pytest.raises(BadInput, match="cannot be read"):
        built(tmp_path, notes(10))
    assert not list(home(tmp_path).datasets.iterdir())


def test_a_cache_that_is_no_database_is_made_anew(tmp_path: Path) -> None:
    home(tmp_path).examples_cache.parent.mkdir()
    home(tmp_path).examples_cache.write_bytes(b"not a database, but long enough to be taken for one" * 30)
    assert fresh(tmp_path, notes(3)).regenerated == 3


NOTE_TEXTS = st.lists(
    st.sampled_from(
        [
            "# Title of it", "## Usage", "## Another telling heading", "```", "---", "iaip: exclude", "- item one", "",
            "Some prose that is long enough to be read as a sentence about quarry tunnels.", "| a | b |",
            "[[n1|a telling anchor]]", "[a second telling anchor](n2.md#usage)", "\ufeff", "😀 " * 30, "x" * 3000,
        ]
    ),
    max_size=30,
).map("\n".join)  # fmt: skip


@settings(max_examples=40)
@given(texts=st.lists(NOTE_TEXTS, min_size=1, max_size=6))
def test_whatever_the_notes_hold_their_rows_are_sound(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    corpus = Notes({f"n{number}.md": text for number, text in enumerate(texts)})
    folder = tmp_path_factory.mktemp("any")
    refused = 0
    for target in ("embedding", "expansion"):
        try:
            dataset = built(folder, corpus, target)
        except NotEnough:
            refused += 1
            continue
        for row in rows(dataset):
            assert row.query.strip() and len(row.query) <= 200
            assert not isinstance(row, Pair) or row.passage.strip()
            assert not isinstance(row, Expansion) or row.lines
    assert refused <= 2
