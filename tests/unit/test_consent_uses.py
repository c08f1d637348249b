"""Who allowed what and what was made under it: told by what is in force and live, not by what is still on disk."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from daemon.consent_uses import agreements, ended, used_datasets
from jobs.consent.coverage import covered
from jobs.consent.withdrawals import Journal
from jobs.domain.corpus import DocumentId
from tests.learnt import Learnt
from tests.unit.consent.place import RECORD
from tests.unit.dataset.sample import small_settings, write_consent
from tests.withdrawing import Household

NOW = datetime(2026, 6, 15, tzinfo=UTC)
GRANTS = """until = 2025-06-01
[[grant]]
uses = ["evaluate"]
folders = ["notes/elders", "notes/open"]
from = 2026-01-01
until = 2030-01-01
season = "06-01..08-31"
"""


def house(folder: Path) -> Learnt:
    found = Learnt(folder)
    found.write(*(f"open/{number}.md" for number in range(5)), "elders/story.md", "elders/song.md")
    found.classify(notes__open="public", notes__elders="community")
    found.consent("council", "community", "notes/elders")
    return found


def test_a_model_that_is_carried_on_is_told_when_its_own_release_and_its_dataset_are_gone(tmp_path: Path) -> None:
    learnt = house(tmp_path)
    learnt.learn("expansion")
    learnt.learn("embedding")
    dataset = learnt.releases.release("v1").metadata.dataset
    assert dataset is not None
    before = {one.name: one for one in used_datasets(learnt.releases.all(), learnt.home.datasets)}[dataset]
    assert before.is_live and set(before.releases) == {"v1", "v2"}
    shutil.rmtree(learnt.releases.directory("v1"))
    shutil.rmtree(learnt.home.datasets / dataset)
    [told] = [one for one in used_datasets(learnt.releases.all(), learnt.home.datasets) if one.target == "expansion"]
    assert (told.name, told.is_live, set(told.releases)) == (dataset, True, {"v2"})
    assert (told.classes, told.consents) == (before.classes, before.consents) and told.classes["community"] == 2


def test_a_dataset_that_no_release_was_made_from_is_told_while_it_is_there(tmp_path: Path) -> None:
    learnt = house(tmp_path)
    name = learnt.built("embedding").result["dataset"]
    [told] = used_datasets(learnt.releases.all(), learnt.home.datasets)
    assert (told.name, told.releases, told.is_live) == (name, {}, False)


def test_every_grant_is_told_by_itself_and_whether_it_holds_today(tmp_path: Path) -> None:
    learnt = house(tmp_path)
    text = RECORD.replace("{place}", "notes/elders").replace("agreed =", 'conditions = "not in winter"\nagreed =')
    write_consent(learnt.home, "ada.toml", text + GRANTS)
    documents = [DocumentId(collection=name, path=path) for name, path, _ in learnt.documents()]
    found = covered(learnt.workshop().corpus, documents, learnt.home, small_settings(), NOW)
    told = {one.record: one for one in agreements(found)}["ada"]
    assert (told.language, told.conditions, told.agreed) == ("oj", "not in winter", "2026-01-02")
    first, second = told.grants
    assert (first.uses, first.until, first.in_force) == (("embed", "evaluate"), "2025-06-01", False)
    assert (second.uses, second.begins, second.until) == (("evaluate",), "2026-01-01", "2030-01-01")
    assert (second.places, second.season, second.in_force) == (
        ("notes/elders", "notes/open"), "06-01..08-31", True,
    )  # fmt: skip


def test_what_was_withdrawn_is_told_with_its_day(tmp_path: Path) -> None:
    home = Household.furnished(tmp_path, notes=4)
    assert ended(Journal(home.home.consent)) == []
    home.types("--consent", "ada", "--yes")
    [told] = ended(Journal(home.home.consent))
    assert (told.record, told.withdrawal) == ("ada", "w1") and told.at >= "2026"
