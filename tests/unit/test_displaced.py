"""A folder that is renamed takes its restriction along, until the steward says what it is now."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from jobs.dataset.permission import no_longer_permitted
from jobs.dataset.refresh import Inputs, refresh
from jobs.domain.corpus import DocumentId
from jobs.domain.errors import BadInput
from jobs.domain.examples import DatasetManifest
from tests.learnt import Learnt
from tests.unit.dataset.sample import quiet


@pytest.fixture
def house(tmp_path: Path) -> Learnt:
    """All is public but what the elders told, which is sacred; looked at once."""
    found = Learnt(tmp_path)
    found.write(*(f"open/{number}.md" for number in range(5)), "elders/story.md", "elders/song.md")
    found.classify(notes="public", notes__elders="sacred")
    assert denied(found) == {"sacred": 2}
    return found


def manifest(house: Learnt) -> DatasetManifest:
    name = house.built().result["dataset"]
    return msgspec.json.decode((house.home.datasets / name / "manifest.json").read_bytes(), type=DatasetManifest)


def denied(house: Learnt) -> dict[str, int]:
    """What a look at the notes as they are now leaves out."""
    at_work = house.workshop()
    listing = [(DocumentId(collection=name, path=path), sha256) for name, path, sha256 in house.documents()]
    inputs = Inputs(
        corpus=at_work.corpus, documents=listing, home=house.home, settings=at_work.settings, keys=at_work.keys
    )
    return refresh(inputs, quiet).denied


def test_a_sacred_folder_that_is_renamed_stays_sacred_until_its_rule_is_taken_out(house: Learnt) -> None:
    (house.notes / "elders").rename(house.notes / "seniors")
    for _ in range(2):
        assert denied(house) == {"sacred": 2}
    house.classify(notes="public", notes__seniors="sacred")
    assert denied(house) == {"sacred": 2}
    house.classify(notes="public")
    assert denied(house) == {}


def test_no_dataset_is_built_with_what_was_renamed_since_the_last_look(house: Learnt) -> None:
    (house.notes / "elders").rename(house.notes / "seniors")
    built = manifest(house)
    assert built.denied == {"sacred": 2}
    assert not [source for source in built.sources if source.id.path.startswith("seniors")]


def test_a_folder_that_is_renamed_back_is_as_it_was(house: Learnt) -> None:
    (house.notes / "elders").rename(house.notes / "seniors")
    assert denied(house) == {"sacred": 2}
    (house.notes / "seniors").rename(house.notes / "elders")
    assert denied(house) == {"sacred": 2}
    (house.notes / "elders" / "song.md").rename(house.notes / "open" / "song.md")
    assert denied(house) == {"sacred": 1}, "a note that somebody carried over by itself is where they put it"


def test_a_folder_that_comes_back_under_another_name_later_is_known_again(house: Learnt, tmp_path: Path) -> None:
    (house.notes / "elders").rename(tmp_path / "away")
    assert denied(house) == {}
    (tmp_path / "away").rename(house.notes / "seniors")
    assert denied(house) == {"sacred": 2}


def test_the_other_gates_know_it_too(house: Learnt) -> None:
    known = manifest(house)
    story = (house.notes / "elders" / "story.md").read_bytes()
    (house.notes / "elders").rename(house.notes / "seniors")
    assert denied(house) == {"sacred": 2}
    (house.notes / "open" / "0.md").write_bytes(story)
    at_work = house.workshop()
    _, found = no_longer_permitted(known, at_work.corpus, house.home, at_work.settings)
    assert found == {"sacred": 1}


def test_a_damaged_note_of_it_stops_what_nobody_can_tell(house: Learnt) -> None:
    (house.home.consent / "displaced.json").write_text("{")
    with pytest.raises(BadInput, match="displaced"):
        house.built()


def test_nothing_is_noted_where_nothing_moved(house: Learnt) -> None:
    house.write("open/6.md")
    assert denied(house) == {"sacred": 2}
    assert not (house.home.consent / "displaced.json").exists()
    assert DocumentId(collection="notes", path="open/6.md") in [source.id for source in manifest(house).sources]


def test_a_consent_for_a_folder_does_not_follow_its_collection_elsewhere(house: Learnt, tmp_path: Path) -> None:
    """Nor the other way round: the very next look knows it, on the same day."""
    house.classify(notes__open="public", notes__elders="community")
    house.consent("council", "community", str(house.notes / "elders"))
    assert denied(house) == {}
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(house.notes, elsewhere)
    configuration = house.releases.current / "qmd" / "index.yml"
    here = configuration.read_text()
    house.classify(notes__open="public", **{str(elsewhere / "elders"): "community"})
    configuration.write_text(here.replace(str(house.notes), str(elsewhere)))
    assert denied(house) == {"no consent of a community": 2}
    configuration.write_text(here)
    assert denied(house).get("no consent of a community") is None
