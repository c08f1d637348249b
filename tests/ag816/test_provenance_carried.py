"""AG-816 (Indigenous Data Sovereignty and CARE Principles), test 6.3: provenance is carried.

The published summary (agentgoverning.com, AGS 2.2) asks that provenance and governance stay with Indigenous data
through the whole pipeline. Here: from the note to the release and everything that is handed on from it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.dataset.build import load
from jobs.domain.artifacts import Making
from jobs.domain.corpus import DocumentId
from jobs.domain.examples import SPLITS
from jobs.domain.lineage import Material, Provenance, merkle_root, releases_touched
from jobs.lineage import BILL, read_lineage, record_of
from tests.house import keys_of
from tests.learnt import Learnt, document

STORY, SONG = "elders/story.md", "elders/song.md"


@pytest.fixture
def house(tmp_path: Path) -> Learnt:
    """The community's notes ask for a name; they are used with its consent."""
    found = Learnt(tmp_path)
    found.write(*(f"open/{number}.md" for number in range(5)), STORY, SONG)
    found.classify(notes__open="public", notes__elders="community")
    (found.notes / "elders/.iaip.toml").write_text('attribution = "Elders of the river"\n')
    found.consent("council", "community", "notes/elders")
    return found


def record(house: Learnt, release: str, target: str = "embedding") -> Provenance:
    found = record_of(house.releases.release(release), target)
    assert found is not None
    return found


def made(house: Learnt, release: str, target: str = "embedding") -> Making:
    return house.releases.release(release).metadata.made[target]


def test_every_source_carries_what_it_is_who_allowed_it_and_whom_to_name(house: Learnt) -> None:
    house.learn()
    sources = {source.id: source for source in record(house, "v1").sources}
    story = sources[document(STORY)]
    assert (story.classification, story.consents, story.attribution) == (
        "community",
        ("council@2",),
        ("Elders of the river",),
    )
    assert sources[document("open/0.md")].consents == ()
    assert made(house, "v1").attributions == ("Elders of the river",)
    assert made(house, "v1").consents == ("council@2",)
    assert made(house, "v1").classes["community"] == 2


def test_a_note_that_gave_no_example_and_is_only_led_to_is_a_source_too(house: Learnt) -> None:
    house.write("elders/copy.md", text=(house.notes / STORY).read_text("utf-8"))
    house.learn()
    sources = {source.id: source for source in record(house, "v1").sources}
    assert min(sources[document(name)].examples for name in (STORY, "elders/copy.md")) == 0
    assert max(sources[document(name)].examples for name in (STORY, "elders/copy.md")) > 0


def test_the_spans_are_the_words_that_were_learnt(house: Learnt) -> None:
    house.learn()
    [name] = [path.name for path in house.home.datasets.iterdir()]
    dataset = load(house.home.datasets / name, keys_of(house.home))
    text = (house.notes / STORY).read_text("utf-8")
    [source] = [one for one in record(house, "v1").sources if one.id == document(STORY)]
    learnt = {text[start : start + length] for start, length in source.spans}
    rows = [row for split in SPLITS for row in dataset.pairs(split) if row.origin.document == document(STORY)]
    assert rows and {row.passage for row in rows} == learnt


def test_the_merkle_root_can_be_checked_against_the_examples(house: Learnt) -> None:
    house.learn()
    [name] = [path.name for path in house.home.datasets.iterdir()]
    dataset = load(house.home.datasets / name, keys_of(house.home))
    lines = [msgspec.json.encode(row) for split in SPLITS for row in dataset.pairs(split)]
    assert record(house, "v1").merkle_root == merkle_root(lines) == made(house, "v1").merkle_root
    assert record(house, "v1").examples == len(lines)


def test_a_model_that_is_carried_on_brings_its_provenance(house: Learnt) -> None:
    house.learn("embedding")
    for path in (STORY, SONG):
        (house.notes / path).unlink()
    house.learn("expansion")
    assert record(house, "v2", "embedding") == record(house, "v1", "embedding")
    assert made(house, "v2", "embedding") == made(house, "v1", "embedding")
    assert document(STORY) not in {source.id for source in record(house, "v2", "expansion").sources}
    touched = releases_touched(read_lineage(house.releases), Material(documents=frozenset([document(STORY)])))
    assert [(one.release, one.targets) for one in touched] == [("v1", ("embedding",)), ("v2", ("embedding",))]


def test_provenance_outlives_the_dataset_the_note_and_the_record_of_consent(house: Learnt) -> None:
    house.learn()
    shutil.rmtree(house.home.datasets)
    (house.notes / STORY).unlink()
    (house.home.consent / "council.toml").unlink()
    touched = releases_touched(read_lineage(house.releases), Material(consents=frozenset(["council"])))
    assert [one.release for one in touched] == ["v1"]
    assert document(STORY) in {source.id for source in record(house, "v1").sources}


def test_a_release_without_the_communitys_material_is_not_touched_by_it(house: Learnt) -> None:
    house.classify(notes__open="public", notes__elders="sacred")
    house.learn()
    house.classify(notes__open="public", notes__elders="community")
    house.learn()
    touched = releases_touched(read_lineage(house.releases), Material(consents=frozenset(["council"])))
    assert [one.release for one in touched] == ["v2"]


def test_lost_provenance_is_never_taken_for_none(house: Learnt) -> None:
    house.learn()
    (house.releases.directory("v1") / "sources/embedding.json").unlink()
    [touched] = releases_touched(read_lineage(house.releases), Material(consents=frozenset(["nobody"])))
    assert touched.unaccounted == ("embedding",)


def test_what_is_shared_of_a_release_keeps_the_communitys_names_to_itself(house: Learnt) -> None:
    house.learn()
    shared = (house.releases.directory("v1") / BILL).read_bytes()
    assert b"open/0.md" in shared and b"2" in shared
    for secret in (b"elders", b"Elders", b"council", b"story", document(STORY).path.encode()):
        assert secret not in shared
    for source in record(house, "v1").sources:
        assert (source.sha256.encode() in shared) == (source.classification == "public")


def test_the_papers_of_a_release_are_for_its_owner_alone(house: Learnt) -> None:
    house.learn()
    directory = house.releases.directory("v1")
    assert directory.stat().st_mode & 0o077 == 0


CLASS = st.sampled_from(["public", "personal", "community", "sacred"])


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(CLASS, min_size=4, max_size=4), st.lists(CLASS, min_size=4, max_size=4))
def test_a_release_names_all_that_its_examples_name_and_nothing_that_was_denied(
    tmp_path_factory: pytest.TempPathFactory, before: list[str], after: list[str]
) -> None:
    """Two releases, classes changed in between; a community's consent stands, a person's was never given."""
    house = Learnt(tmp_path_factory.mktemp("any"))
    house.write("open/0.md", "open/1.md", *(f"f{folder}/{number}.md" for folder in range(4) for number in range(2)))
    house.consent("council", "community", "notes")
    for number, classes in enumerate((before, after), start=1):
        house.classify(notes__open="public", **{f"notes__f{folder}": word for folder, word in enumerate(classes)})
        assert house.learn() == f"v{number}"
        told = record(house, f"v{number}")
        dataset = load(house.home.datasets / told.dataset, keys_of(house.home))
        named: set[DocumentId] = set()
        for row in (row for split in SPLITS for row in dataset.pairs(split)):
            named.update(one for one in (row.origin.document, row.origin.through, *row.relevant) if one)
        assert {source.id for source in told.sources} >= named
        usable = {f"f{folder}" for folder, word in enumerate(classes) if word in ("public", "community")} | {"open"}
        assert {source.id.path.partition("/")[0] for source in told.sources} <= usable
        assert all(bool(source.consents) == (source.classification == "community") for source in told.sources)
