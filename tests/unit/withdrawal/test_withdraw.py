"""Taking material back: at once nothing live derives from it, then nothing that is kept does."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal
from unicodedata import normalize

import pytest

from daemon.cli.result import DONE, NOT_FOUND, USAGE
from jobs.consent.withdrawals import Journal
from jobs.domain.errors import Refused
from jobs.domain.withdrawal import STEPS
from tests.story import SECRET, STORY, sentences
from tests.unit.withdrawal.aftermath import all_gone, states, texts_left
from tests.withdrawing import Household

Form = Literal["NFC", "NFD"]


def test_the_household_really_learnt_the_story(house: Household) -> None:
    assert states(house) == {"v0": "previous", "v1": "previous", "v2": "previous", "v3": "live"}
    places = house.holding(sentences()[0])
    assert {place.split("/")[0] for place in places} == {"releases", "stages"}
    assert house.holding(SECRET) and (house.home.keys / "master.json").exists()


def test_a_document_is_gone_from_everything_and_its_note_stays(house: Household) -> None:
    done = house.types("--document", str(house.notes / SECRET), "--yes")
    assert done.code == DONE and done.data["done"], done.text + done.talk
    assert (done.data["releases"], done.data["live"]) == (("v2", "v3"), "v1")
    assert states(house) == {"v0": "previous", "v1": "live", "v2": "withdrawn", "v3": "withdrawn"}
    assert (house.notes / SECRET).read_text("utf-8") == STORY
    assert done.data["found_again"] == ()
    counts = done.data["counts"]
    for what in (
        "examples",
        "datasets",
        "stages",
        "models",
        "tombstones",
        "indexes",
        "index_vectors",
        "ledger",
        "logs",
    ):
        assert counts[what] > 0, what
    all_gone(house)
    named = {place.split("/")[0] for place in house.holding("winter-story")}
    assert named == {"consent", "releases"}, "only the consent folder and QMD's own ignore list name it"
    assert [p.name for p in house.home.root.rglob("index.yml") if "winter-story" in p.read_text()] == ["index.yml"]


def test_what_was_withdrawn_never_comes_back_into_a_dataset(house: Household) -> None:
    house.types("--document", f"notes/{SECRET}", "--yes")
    renamed = house.write("elders/another-name.md", STORY)
    house.write(SECRET, STORY + "\nOne more line.\n")
    house.look()
    dataset = house.dataset()
    assert dataset is not None
    assert all("marten" not in row.query + repr(row) for row in (*dataset.train, *dataset.development, *dataset.test))
    assert renamed.exists()
    assert texts_left(house) == []


def test_a_withdrawn_release_can_never_be_live_again_and_says_so(house: Household) -> None:
    house.types("--document", f"notes/{SECRET}", "--yes")
    for name in ("v2", "v3"):
        with pytest.raises(Refused, match=f"{name} was withdrawn and can never be live again"):
            house.releases.roll_back(name)
        with pytest.raises(Refused, match="withdrawn"):
            house.releases.switch(name)
    assert house.releases.roll_back() == "v0"
    kept = sorted(path.name for path in house.releases.directory("v3").iterdir())
    assert kept == ["CAME-AFTER", "WITHDRAWN", "training-metadata.json"]
    assert [path.name for path in house.releases.models.iterdir()] == [
        Path(house.releases.release("v1").metadata.targets["embedding"].gguf).name
    ]


def test_training_without_it_is_queued_for_every_target_that_had_it(house: Household) -> None:
    done = house.types("--document", f"notes/{SECRET}", "--yes")
    runs = [house.books.jobs.run(run) for run in done.data["runs"]]
    assert [(run.target, run.cause, run.state) for run in runs] == [("embedding", "withdrawal", "active")]
    [waiting] = house.books.jobs.in_state("queued")
    assert (waiting.run, waiting.stage) == (runs[0].id, "dataset")


def test_a_run_on_the_material_is_cancelled_and_another_one_is_not(house: Household) -> None:
    dataset = house.dataset()
    assert dataset is not None
    on_it = house.books.jobs.start_run("embedding", cause="test", forced=False, now=house.now())
    without = house.books.jobs.start_run("expansion", cause="test", forced=False, now=house.now())
    assert on_it is not None and without is not None
    house.finishes(on_it[1].id, {"dataset": dataset.manifest.name, "rows": {}})
    house.types("--document", f"notes/{SECRET}", "--yes")
    ended = house.books.jobs.run(on_it[0].id)
    assert (ended.state, ended.reason) == ("cancelled", "what it was made from was withdrawn")
    assert house.books.jobs.run(without[0].id).state == "active"


def test_figures_stay_in_the_ledger_and_names_go_with_its_copies(house: Household) -> None:
    answers = {run: house.books.results.answers(run) for run in (1, 2, 3)}
    old = house.home.snapshots / "000001.sqlite"
    with closing(sqlite3.connect(house.home.ledger)) as ledger:
        old.parent.mkdir()
        ledger.execute("VACUUM INTO ?", (str(old),))
    (house.home.requests).mkdir(exist_ok=True)
    (house.home.requests / "1.unreadable").write_text(SECRET)
    house.types("--document", f"notes/{SECRET}", "--yes")
    for run, before in answers.items():
        after = house.books.results.answers(run)
        assert [(a.query, a.metrics, a.milliseconds) for a in after] == [
            (a.query, a.metrics, a.milliseconds) for a in before
        ]
        assert all(a.documents == ("notes/n0.md", "(withdrawn)") for a in after)
    copies = sorted(path.name for path in house.home.snapshots.iterdir())
    assert copies == ["000002.sqlite"]
    assert SECRET.encode() not in (house.home.snapshots / copies[0]).read_bytes()
    assert list(house.home.requests.glob("*.unreadable")) == []


def test_judgements_of_it_leave_the_evaluation_with_the_queries_nothing_else_answers(house: Household) -> None:
    judged = house.home.evaluation / "mine"
    judged.mkdir(parents=True)
    (judged / "queries.jsonl").write_text(
        '{"_id": "a", "text": "who carried it"}\n{"_id": "b", "text": "both"}\n{"_id": "c", "text": "other"}\n'
    )
    (judged / "qrels.tsv").write_text(
        f"query-id\tcorpus-id\tscore\na\tnotes/{SECRET}\t2\nb\t{SECRET}\t1\nb\tn0.md\t1\nc\tn1.md\t1\n"
    )
    done = house.types("--document", f"notes/{SECRET}", "--yes")
    assert done.data["counts"]["judgements"] == 3
    assert (judged / "queries.jsonl").read_text() == '{"_id": "b", "text": "both"}\n{"_id": "c", "text": "other"}\n'
    assert (judged / "qrels.tsv").read_text() == "query-id\tcorpus-id\tscore\nb\tn0.md\t1\nc\tn1.md\t1\n"


def test_withdrawing_twice_says_when_it_was_done_and_does_nothing(house: Household) -> None:
    first = house.types("--document", f"notes/{SECRET}", "--yes")
    again = house.types("--document", str(house.notes / SECRET), "--yes")
    assert (again.code, again.data["id"], again.data["receipt"]) == (DONE, "w1", first.data["receipt"])
    house.types("--person", "Ada Nanibush", "--yes")
    assert house.types("--person", "Ada Nanibush", "--yes").data["id"] == "w2"
    assert len(Journal(house.home.consent).all()) == 2


@pytest.mark.parametrize(
    "words", [("--document", "nowhere.md"), ("--consent", "nobody"), ("--person", "Nobody"), ("--consent", "policy")]
)
def test_what_is_not_known_is_refused_and_nothing_happens(house: Household, words: tuple[str, str]) -> None:
    done = house.types(*words, "--yes")
    assert (done.code, done.data["done"]) == (NOT_FOUND, False)
    assert Journal(house.home.consent).all() == [] and house.releases.live() == "v3"


def test_without_a_yes_it_says_what_would_happen_and_changes_nothing(house: Household) -> None:
    told = house.types("--document", f"notes/{SECRET}")
    assert told.code == USAGE
    assert "stops 2 releases: v2, v3" in told.text and "live: v1 (instead of v3)" in told.text
    assert house.releases.live() == "v3" and Journal(house.home.consent).all() == []


def test_a_note_that_is_gone_or_was_renamed_is_withdrawn_by_its_old_name(house: Household) -> None:
    (house.notes / SECRET).rename(house.notes / "elsewhere.md")
    done = house.types("--document", str(house.notes / SECRET), "--yes")
    assert (done.code, done.data["live"], done.data["done"]) == (DONE, "v1", True)
    all_gone(house)
    house.look()
    dataset = house.dataset()
    assert dataset is not None and dataset.manifest.denied == {"withdrawn": 1}, "the same text under another name"


def test_a_renamed_note_is_withdrawn_by_its_new_name_too(house: Household) -> None:
    (house.notes / SECRET).rename(house.notes / "elsewhere.md")
    assert house.types("--document", str(house.notes / "elsewhere.md"), "--yes").data["live"] == "v1"
    all_gone(house)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("disk", ["NFC", "NFD"])
def test_accents_mean_the_same_in_either_unicode_form(house: Household, form: Form, disk: Form) -> None:
    path = normalize(disk, "elders/récit d'hiver.md")
    house.write(path, STORY.replace("marten", "wolverine"))
    house.look()
    assert house.learns() == "v4"
    done = house.types("--document", str(house.notes / normalize(form, path)), "--yes")
    assert (done.code, done.data["releases"], done.data["live"]) == (DONE, ("v4",), "v3")
    house.look()
    assert all("hiver" not in document.path for document, _ in house.listing()), "QMD ignores it from now on"


def test_a_broken_log_stops_no_withdrawal(house: Household) -> None:
    whole = (house.home.consent / "log.jsonl").read_bytes()
    (house.home.consent / "log.jsonl").write_bytes(whole.replace(b"a test", b"another"))
    done = house.types("--document", f"notes/{SECRET}", "--yes")
    assert (done.code, done.data["live"]) == (DONE, "v0"), "what v1 learnt stands on consent, and none counts now"
    (house.home.consent / "log.jsonl").write_bytes(whole)
    assert SECRET not in {document.path for document, _ in house.listing()}, (
        "QMD ignores it, so there is nothing to deny"
    )
    (house.releases.current / "qmd" / "index.yml").write_text(
        f"collections:\n  notes:\n    path: {house.notes}\n    pattern: '**/*.md'\n"
    )
    dataset = house.dataset()
    assert dataset is not None and dataset.manifest.denied == {"withdrawn": 1}, "the journal denies without the log"


def test_every_step_is_noted(house: Household) -> None:
    house.types("--document", f"notes/{SECRET}", "--yes")
    [one] = Journal(house.home.consent).all()
    assert one.done == STEPS and not one.open
    [alert] = [alert for alert in house.books.alerts.unread() if alert.kind == "withdrawal"]
    assert "winter" not in alert.title + alert.body
