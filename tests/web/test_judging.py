"""Judgements reach the owner's files as the gate reads them, and what was there stays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pytest

from daemon.web import judging
from daemon.web.judging import HEADER, asked, known_grades, store
from jobs.dataset.build import Dataset, KnownDocument
from jobs.dataset.evaluation import EvaluationSets, read_evaluation_sets
from jobs.domain.errors import BadInput
from jobs.domain.examples import OWN_SET, DatasetCounts, DatasetManifest
from jobs.publish import write_file
from tests.web.caller import owner
from tests.web.household import Household


def as_the_gate_reads(household: Household) -> EvaluationSets:
    counts = DatasetCounts(rows={}, generators={}, languages={}, dropped={})
    manifest = DatasetManifest(
        name="d",
        target="embedding",
        generator_version=1,
        seed=1,
        counts=counts,
        sources=(),
        excluded=0,
        curated_problems=(),
    )
    documents = tuple(KnownDocument(id=note, sha256="") for note in household.notes)
    dataset = Dataset(manifest=manifest, train=(), development=(), test=(), query_sets=(), documents=documents)
    return read_evaluation_sets(household.home.evaluation, dataset)


def test_the_queries_that_tell_most_come_first_and_show_what_both_arms_found(household: Household) -> None:
    found = household.questions()
    assert 5 <= len(found) <= 20
    assert all(len(one.documents) > 5 and not one.judged for one in found)
    assert found[0].folder == OWN_SET


def test_a_judgement_is_read_by_the_gate(household: Household) -> None:
    first = household.questions()[0]
    best, other, *rest = first.documents
    store(household.home.evaluation, first, {best: 2, other: 1, **dict.fromkeys(rest, 0)})
    read = as_the_gate_reads(household)
    assert read.problems == ()
    [query] = read.sets[0].queries
    assert (query.id, query.text, query.relevant) == (first.query, first.text, {best: 2, other: 1})
    assert household.questions()[0].judged


def test_judging_again_replaces_only_the_same_lines(household: Household) -> None:
    folder = household.home.evaluation / "mine"
    folder.mkdir(parents=True)
    first = next(one for one in household.questions() if one.query_set == "mine")
    best, other, *_ = first.documents
    bare = other.partition("/")[2]
    (folder / "queries.jsonl").write_text(f'{{"_id": "{first.query}", "text": "as I wrote it", "must_pass": true}}\n')
    (folder / "qrels.tsv").write_text(f"{HEADER}\nmy own\tnotes/x.md\t1\n{first.query}\t{bare}\t1\nnot a line\n")
    again = next(one for one in household.questions() if one.query == first.query)
    assert (again.folder, again.grades) == ("mine", {other: 1})
    store(household.home.evaluation, again, {best: 1, other: 0})
    assert (folder / "qrels.tsv").read_text().splitlines() == [
        HEADER,
        "my own\tnotes/x.md\t1",
        "not a line",
        f"{first.query}\t{best}\t1",
        f"{first.query}\t{other}\t0",
    ]
    assert "as I wrote it" in (folder / "queries.jsonl").read_text()
    assert len((folder / "queries.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize("grades", [{}, {"notes/elsewhere.md": 1}, {0: 9}, {0: 0}])
def test_what_cannot_be_asked_is_refused_and_nothing_is_written(household: Household, grades) -> None:
    first = household.questions()[0]
    shown = {first.documents[key] if isinstance(key, int) else key: grade for key, grade in grades.items()}
    with pytest.raises(BadInput):
        store(household.home.evaluation, first, shown)
    assert not household.home.evaluation.exists()


def test_a_file_of_the_owner_in_another_encoding_is_left_as_it_is(household: Household, tmp_path: Path) -> None:
    folder = household.home.evaluation / OWN_SET
    folder.mkdir(parents=True)
    (folder / "qrels.tsv").write_bytes("été\tà\t1".encode("latin-1"))
    reply = owner(household).get("/judge")
    assert reply.status == 409 and "not UTF-8" in reply.body
    assert (folder / "qrels.tsv").read_bytes() == "été\tà\t1".encode("latin-1")


def test_the_form_leads_to_the_next_open_query(household: Household) -> None:
    first, second, *_ = household.questions()
    caller = owner(household)
    address = "/judge/query?" + urlencode({"set": first.query_set, "query": first.query})
    grades = {f"grade-{number}": "1" if number == 0 else "0" for number in range(len(first.documents))}
    following = caller.post(address, urlencode(grades)).headers["location"]
    assert following == "/judge/query?" + urlencode({"set": second.query_set, "query": second.query})
    assert caller.post(address, "grade-0=7").status == 409
    assert caller.post(address, "").status == 409


def test_a_power_cut_between_the_two_files_leaves_the_query_open(household: Household, monkeypatch) -> None:
    first = household.questions()[0]
    grades = dict.fromkeys(first.documents, 1)
    written: list[str] = []

    def cut(path: Path, content: bytes) -> None:
        if written:
            raise OSError(5, "the power is gone")
        written.append(path.name)
        write_file(path, content)

    with monkeypatch.context() as power:
        power.setattr(judging, "write_file", cut)
        with pytest.raises(OSError, match="power"):
            store(household.home.evaluation, first, grades)
    assert written == ["queries.jsonl"]
    assert not household.questions()[0].judged
    store(household.home.evaluation, first, grades)
    assert household.questions()[0].judged
    assert as_the_gate_reads(household).problems == ()


def test_two_who_judge_at_once_lose_nothing(household: Household) -> None:
    waiting = household.questions()[:6]
    with ThreadPoolExecutor(6) as judges:
        list(judges.map(lambda one: store(household.home.evaluation, one, {one.documents[0]: 1}), waiting))
    kept = household.home.evaluation / waiting[0].folder
    assert set(asked(kept)) == {one.query for one in waiting if one.folder == waiting[0].folder}
    assert all(known_grades(kept, one.query, one.documents) for one in waiting if one.folder == waiting[0].folder)
