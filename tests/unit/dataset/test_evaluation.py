from __future__ import annotations

import json
from pathlib import Path

from jobs.dataset.build import build, load
from jobs.dataset.evaluation import EvaluationSets, read_evaluation_sets
from tests.house import keys_of
from tests.unit.dataset.sample import home, notes, quiet


def read(tmp_path: Path, queries: str, qrels: str) -> EvaluationSets:
    corpus = notes(30)
    place = home(tmp_path)
    manifest = build("embedding", corpus.inputs(place), quiet)
    folder = place.evaluation / "claims"
    folder.mkdir(parents=True)
    (folder / "queries.jsonl").write_text(queries, "utf-8")
    (folder / "qrels.tsv").write_text(qrels, "utf-8")
    return read_evaluation_sets(place.evaluation, load(place.datasets / manifest.name, keys_of(place)))


def test_judged_queries_are_read_with_their_grades_flags_and_language(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        '\ufeff{"_id": "q1", "text": "how is the third one made", "must_pass": true}\n'
        '{"id": 2, "text": "x", "language": "fr"}\n',
        "query-id\tcorpus-id\tscore\nq1\tnote-3.md\t2\nq1\tnote-4.md\t0\n2\tkb/note-5.md\t1\n",
    )
    assert found.problems == ()
    (one, two) = found.sets[0].queries
    assert (one.id, one.relevant, one.must_pass) == ("q1", {"kb/note-3.md": 2}, True)
    assert (two.id, two.relevant, two.language) == ("2", {"kb/note-5.md": 1}, "fr")
    assert (found.sets[0].name, found.sets[0].kind) == ("claims", "curated")


def test_a_query_is_seen_when_training_used_a_relevant_document(tmp_path: Path) -> None:
    queries = "".join(json.dumps({"_id": f"q{n}", "text": f"question {n}"}) + "\n" for n in range(30))
    qrels = "".join(f"q{n}\tnote-{n}.md\t1\n" for n in range(30))
    found = read(tmp_path, queries, qrels)
    folder = next(home(tmp_path).datasets.iterdir())
    trained = load(folder, keys_of(home(tmp_path))).trained_on()
    assert {query.seen for query in found.sets[0].queries} == {True, False}
    assert all(query.seen == (not trained.isdisjoint(query.relevant)) for query in found.sets[0].queries)


def test_lines_that_cannot_be_used_are_named_and_the_others_are_used(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        '{"_id": "q1", "text": "good"}\nnonsense\n{"text": "no id"}\n{"_id": "q1", "text": "again"}\n'
        '{"_id": "q9", "text": "unjudged"}\n{"_id": "q2"}\n',
        "q1\tnote-3.md\t1\nq1 note-3.md 1\nq1\tnothere.md\t1\nq1\tnote-4.md\tmany\n",
    )
    assert [query.id for query in found.sets[0].queries] == ["q1"]
    assert [problem.split(": ")[0] for problem in found.problems] == [
        "claims/qrels.tsv:2", "claims/qrels.tsv:3", "claims/qrels.tsv:4",
        "claims/queries.jsonl:2", "claims/queries.jsonl:3", "claims/queries.jsonl:4", "claims/queries.jsonl:5",
        "claims/queries.jsonl:6",
    ]  # fmt: skip


def test_a_set_without_its_judgements_is_named_and_a_missing_folder_is_no_set(tmp_path: Path) -> None:
    corpus = notes(10)
    place = home(tmp_path)
    manifest = build("embedding", corpus.inputs(place), quiet)
    dataset = load(place.datasets / manifest.name, keys_of(place))
    assert read_evaluation_sets(place.evaluation, dataset) == EvaluationSets(sets=(), problems=())
    (place.evaluation / "empty").mkdir(parents=True)
    found = read_evaluation_sets(place.evaluation, dataset)
    assert found.sets == ()
    assert [problem.split(": ")[0].split(":")[0] for problem in found.problems] == [
        "empty/qrels.tsv",
        "empty/queries.jsonl",
    ]
