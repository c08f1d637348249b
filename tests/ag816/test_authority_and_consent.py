"""AG-816 (Indigenous Data Sovereignty and CARE Principles), test 6.1: authority and consent.

The published summary (agentgoverning.com, AGS 2.2) asks that whoever has the authority over Indigenous data is known
and decides, that consent is collective where the right is, tracked, and may have conditions. Each sentence here is one
thing that it takes; most hold for every dataset and every release, through the real consent book and the real stages.
The rest of 6.1 is in tests/unit/consent, tests/unit/dataset/test_permission.py and tests/unit/test_consent_gates.py.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobs.consent.book import ConsentBook
from jobs.consent.files import read_record
from jobs.consent.terms import in_force
from jobs.dataset.build import load
from jobs.domain.consent import USES
from jobs.domain.consent_log import imported
from jobs.domain.corpus import Collection
from jobs.domain.errors import BadInput
from jobs.domain.examples import DatasetManifest, Target
from tests.house import keys_of
from tests.learnt import RECORD, Learnt
from tests.unit.dataset.sample import LONG_AGO, small_settings

TODAY = datetime.now(UTC)
ANOTHER_TIME = f"{TODAY - timedelta(days=60):%m-%d}..{TODAY - timedelta(days=30):%m-%d}"
"""A season that is over."""


@pytest.fixture
def house(tmp_path: Path) -> Learnt:
    """Enough public notes to make a dataset; what is in ``elders`` is the community's."""
    found = Learnt(tmp_path)
    found.write(*(f"open/{number}.md" for number in range(6)), "elders/story.md", "elders/song.md")
    found.classify(notes__open="public", notes__elders="community")
    return found


def dataset(house: Learnt, target: Target = "embedding") -> DatasetManifest:
    done = house.built(target)
    assert done.ends_run is None, done.ends_run
    return load(house.home.datasets / done.result["dataset"], keys_of(house.home)).manifest


def used(house: Learnt, target: Target = "embedding") -> set[str]:
    """The folders of the notes that a dataset made today stands on."""
    return {source.id.path.partition("/")[0] for source in dataset(house, target).sources}


def test_what_nobody_with_authority_has_classified_is_not_used_and_is_counted(house: Learnt) -> None:
    house.write("unsaid/1.md")
    assert used(house) == {"open"}
    assert dataset(house).denied["unclassified"] == 1


def test_community_material_needs_the_communitys_own_consent(house: Learnt) -> None:
    assert used(house) == {"open"}
    house.consent("ada", "person", "notes/elders")
    assert used(house) == {"open"}, "a person cannot consent for a community"
    house.consent("council", "community", "notes/elders")
    assert used(house) == {"open", "elders"}


@pytest.mark.parametrize("kind", ["community", "authority"])
def test_a_community_and_its_authority_can_give_it(house: Learnt, kind: str) -> None:
    house.consent("council", kind, "notes/elders")
    assert used(house) == {"open", "elders"}


def test_consent_to_one_use_is_none_to_another(house: Learnt) -> None:
    house.consent("council", "community", "notes/elders", uses=["expand", "evaluate"])
    assert used(house, "expansion") == {"open", "elders"}
    assert used(house, "embedding") == {"open"}


def test_consent_to_train_is_none_to_judge(house: Learnt) -> None:
    house.write(*(f"elders/{number}.md" for number in range(20)))
    house.consent("council", "community", "notes/elders", uses=["embed"])
    found = [source for source in dataset(house).sources if source.id.path.startswith("elders")]
    assert found and {use for source in found for use in source.uses} == {"embed"}


@pytest.mark.parametrize("condition", ["until = 2020-01-01", "from = 2999-01-01", f'season = "{ANOTHER_TIME}"'])
def test_a_condition_that_does_not_hold_today_allows_nothing(house: Learnt, condition: str) -> None:
    house.consent("council", "community", "notes/elders", condition=condition)
    assert used(house) == {"open"}


def test_a_condition_that_is_not_understood_is_not_taken_in(house: Learnt) -> None:
    with pytest.raises(BadInput):
        house.consent("council", "community", "notes/elders", condition='season = "when the geese come"')
    assert used(house) == {"open"}


def test_a_consent_for_one_place_is_none_for_another(house: Learnt) -> None:
    house.write("elders/winter/tale.md")
    house.consent("council", "community", "notes/elders/winter")
    found = {source.id.path for source in dataset(house).sources} - {f"open/{number}.md" for number in range(6)}
    assert found == {"elders/winter/tale.md"}


def test_no_consent_lifts_sacred(house: Learnt) -> None:
    house.classify(notes__open="public", notes__elders="sacred")
    for kind in ("person", "community", "authority"):
        house.consent(f"all-{kind}", kind, "notes", uses=USES)
    assert used(house) == {"open"}
    house.classify(notes="public", notes__elders="sacred")
    assert used(house) == {"open"}, "nor does calling the whole collection public"


def test_a_note_can_say_more_strictly_what_it_is_and_never_more_freely(house: Learnt) -> None:
    house.write("open/0.md", text="---\niaip: community\n---\n# Told at the fire\n\nNot for everyone, says the note.\n")
    house.write("elders/song.md", text="---\niaip: public\n---\n# A song\n\nCalled public by whoever typed it.\n")
    found = {source.id.path for source in dataset(house).sources}
    assert "open/0.md" not in found and "elders/song.md" not in found


def test_it_is_known_who_allowed_what_when_and_in_which_wording(house: Learnt) -> None:
    house.consent("council", "community", "notes/elders")
    [entry] = [one for one in ConsentBook(house.home.consent).chain().entries if one.subject == "council.toml"]
    record = read_record(entry.text, "council.toml")
    assert (record.holder, record.kind, record.contact, record.language) == ("council", "community", "x", "en")
    assert entry.action == "import" and entry.at == LONG_AGO and entry.detail["by"]
    consents = {consent for source in dataset(house).sources for consent in source.consents}
    assert consents == {f"council@{entry.number}"}, "every source names the wording that allowed it"


def test_each_dataset_is_noted_in_the_sealed_log_with_the_consents_it_stands_on(house: Learnt) -> None:
    house.consent("council", "community", "notes/elders")
    name = dataset(house).name
    entry = ConsentBook(house.home.consent).chain().entries[-1]
    assert (entry.action, entry.subject) == ("use", f"dataset {name}")
    assert entry.detail["consents"].startswith("council@") and "2 community" in entry.detail["documents"]


def test_a_record_that_was_changed_behind_the_log_allows_nothing_until_it_is_taken_in(house: Learnt) -> None:
    house.consent("council", "community", "notes/elders/winter")
    wider = RECORD.format(name="council", kind="community", place="notes/elders", uses='["embed", "evaluate"]')
    (house.home.consent / "council.toml").write_text(wider)
    assert used(house) == {"open"}
    ConsentBook(house.home.consent).import_changes("the steward", LONG_AGO)
    assert used(house) == {"open", "elders"}


def test_a_log_that_was_tampered_with_takes_every_consent_away(house: Learnt) -> None:
    house.consent("council", "community", "notes/elders")
    log = ConsentBook(house.home.consent).log
    log.write_bytes(log.read_bytes().replace(b"contact", b"contakt", 1))
    now = in_force(
        house.home, small_settings(), [Collection(name="notes", path=str(house.notes))], [], datetime.now(UTC)
    )
    assert not now.terms.trusted and "line 2" in now.problem
    assert used(house) == {"open"}


def test_the_order_of_all_changes_is_kept_and_the_newest_wording_counts(house: Learnt) -> None:
    house.consent("council", "community", "notes/elders")
    assert used(house) == {"open", "elders"}
    house.consent("council", "community", "notes/elders/winter")
    assert used(house) == {"open"}
    numbers = [one.number for one in ConsentBook(house.home.consent).chain().entries if one.subject == "council.toml"]
    assert len(numbers) == 2 and imported(ConsentBook(house.home.consent).chain())["council.toml"].number == numbers[1]
