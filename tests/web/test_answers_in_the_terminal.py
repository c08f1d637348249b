"""What `verdict`, `why` and `rollback --dry-run` say of a home that has been lived in."""

from __future__ import annotations

import json
from datetime import timedelta

import msgspec
import pytest

from daemon.cli.__main__ import main
from daemon.web.lineage import SourceChanges, manifest, source_changes
from jobs.domain.artifacts import Parity
from jobs.domain.judgement import judge
from tests.web.household import Household

PARITY = Parity(measures={"cosine": 0.9999}, problems=())


@pytest.fixture
def reads(household: Household, capsys: pytest.CaptureFixture[str]):
    def types(*words: str):
        code = main(["--home", str(household.home.root), *words, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return types


@pytest.fixture
def types(household: Household, capsys: pytest.CaptureFixture[str]):
    def typed(*words: str) -> str:
        main(["--home", str(household.home.root), *words])
        return capsys.readouterr().out

    return typed


def test_a_verdict_shows_every_query_before_and_after(reads, types) -> None:
    _, told = reads("verdict", "--queries")
    assert len(told["queries"]) == 134 + 60
    moves = [abs(query["change"]) for query in told["queries"]]
    assert moves == sorted(moves, reverse=True) and moves[0] > 0
    assert all(q["after"] - q["before"] == pytest.approx(q["change"]) and q["text"] for q in told["queries"])
    assert "queries" not in reads("verdict")[1]
    assert told["queries"][0]["text"] in types("verdict", "--queries")


@pytest.mark.parametrize(
    ("what", "run", "new", "changed"), [(["run", "3"], 3, 360, 0), (["v2"], 3, 360, 0), (["v1"], 2, 0, 360)]
)
def test_why_names_the_cause_the_notes_the_rule_and_the_queries(reads, what, run, new, changed) -> None:
    code, told = reads("why", *what)
    assert (code, told["run"], told["cause"]) == (0, run, "212 new examples")
    assert told["notes"] == {"new": new, "changed": changed, "gone": 0, "same": 0}, "run 3 is the first of its target"
    assert told["rule"] and told["outcome"] == "promote"
    assert told["moved"] and all(query["change"] for query in told["moved"])
    assert any(line.startswith("notes: ") for line in told["lines"])
    named = told["note_names"]["new" if new else "changed"]
    assert len(named) == 360 and [f"  {'new' if new else 'changed'}: {note}" for note in named[:10]] == [
        line for line in told["lines"] if line.startswith(("  new: ", "  changed: "))
    ]


def test_why_tells_the_queries_in_their_words_and_where_the_right_note_stood(reads, types) -> None:
    _, told = reads("why", "run", "3")
    best = told["moved"][0]
    assert best["change"] > 0 and best["place"]["after"] == 1 < best["place"]["before"]
    shown = types("why", "run", "3")
    assert best["text"] in shown and best["query"] not in shown
    assert f"first right note no. {best['place']['before']} → no. 1" in shown


def test_a_verdict_that_cannot_tell_names_the_questions_to_judge_in_their_words(household: Household, reads, types):
    sets, scored, _ = household.judged("embedding", 0.0)
    unsure = judge("embedding", scored, PARITY, household.settings.gate, resamples=500)
    assert unsure.outcome == "cannot-tell" and unsure.most_informative
    household.now += timedelta(days=1)
    number = household.run("embedding", {"embedding": (sets, scored, unsure)}, well=False)
    _, told = reads("verdict", str(number))
    assert [one["query"] for one in told["would_help"]] == list(unsure.most_informative)
    shown = types("verdict", str(number))
    assert all(one["text"] in shown and one["query"] not in shown for one in told["would_help"])


def test_why_of_a_job_says_what_it_decided(household: Household, reads) -> None:
    judged = next(job for job in household.books.jobs.of_run(2) if job.stage == "validate")
    _, told = reads("why", "job", str(judged.id))
    assert told["job"] == judged.id and told["rule"] and told["moved"]


def test_notes_are_counted_between_two_datasets(household: Household) -> None:
    release = household.releases.release("v2")
    now = manifest(household.home.datasets, release.metadata.dataset)
    assert now is not None
    everything = len(now.sources)
    names = tuple(sorted(str(source.id) for source in now.sources))
    assert source_changes(None, now) == SourceChanges(new=names, changed=(), gone=(), same=0)
    assert source_changes(now, now) == SourceChanges(new=(), changed=(), gone=(), same=everything)


def test_notes_that_came_changed_and_went_are_told_by_name(household: Household) -> None:
    release = household.releases.release("v2")
    now = manifest(household.home.datasets, release.metadata.dataset)
    assert now is not None
    first, second, *rest = now.sources
    before = msgspec.structs.replace(now, sources=(msgspec.structs.replace(first, sha256="0" * 64), *rest))
    found = source_changes(before, now)
    assert (found.new, found.changed, found.gone) == ((str(second.id),), (str(first.id),), ())
    assert source_changes(now, before).gone == (str(second.id),)


def test_a_dry_rollback_says_what_would_change_and_changes_nothing(household: Household, reads) -> None:
    code, told = reads("rollback", "--dry-run")
    assert (code, told["from"], told["to"], told["done"]) == (0, "v2", "v1", False)
    assert told["models"] and household.releases.live() == "v2"
    code, told = reads("rollback", "--dry-run", "--to", "v0")
    assert told["models"]["embedding"]["to"] is None


def test_a_dry_rollback_is_refused_where_the_real_one_would_be(household: Household, reads) -> None:
    (household.releases.directory("v1") / "WITHDRAWN").write_bytes(b"")
    code, told = reads("rollback", "--dry-run", "--to", "v1")
    assert code == 5 and "withdrawn" in told["message"]
    assert reads("rollback", "--dry-run", "--to", "v9")[0] == 6
