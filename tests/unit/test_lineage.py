"""The records of what releases were made from, on disk: carried on, missed when they are gone, read once."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from jobs.domain.artifacts import LiveModel, ReleaseMetadata
from jobs.domain.corpus import DocumentId
from jobs.domain.lineage import UNREADABLE, Material, Provenance, Source, Touched, releases_touched
from jobs.lineage import read_lineage, with_record
from jobs.release_publishing import publish_release
from jobs.release_withdrawal import bury, withdraw
from jobs.releases import METADATA, Releases

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
NOTE = DocumentId(collection="notes", path="été.md")
ABOUT = Material(documents=frozenset([NOTE]))
Model = tuple[str, LiveModel]


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    """Adopted, with a model of the owner's own."""
    found = Releases(tmp_path / "releases", lambda live, _: live, lambda _: True)
    found.models.mkdir(parents=True)
    owners = LiveModel(base="theirs", gguf="hf:theirs", sha256="")
    publish_release(found, ReleaseMetadata(name="v0", created_at=NOW, targets={"rerank": owners}), "", Path.touch)
    return found


def model(releases: Releases, target: str, number: int) -> LiveModel:
    gguf = releases.models / f"{target}-{number}.gguf"
    gguf.write_bytes(gguf.name.encode())
    return LiveModel(base="b", gguf=str(gguf), sha256=sha256(gguf.name.encode()).hexdigest())


def deployed(releases: Releases, target: str, *documents: DocumentId, recorded: bool = True) -> Path:
    """The next release, its model of ``target`` made from the documents."""
    before = releases.release(releases.names()[-1])
    made = model(releases, target, len(releases.names()))
    sources = tuple(Source(id=document, sha256="aa", classification="public") for document in documents)
    record = Provenance(
        target=target,
        run=1,
        model=made.sha256,
        dataset="d",
        merkle_root="",
        examples=1,
        consent="",
        query_sets=(),
        sources=sources,
    )
    named, papers = with_record(record, before) if recorded else (before.metadata.sources, {})
    metadata = ReleaseMetadata(
        name=releases.next_name(),
        created_at=NOW,
        targets={**before.metadata.targets, target: made},
        target=target,
        run=1,
        sources=named,
    )
    return publish_release(releases, metadata, "", Path.touch, papers)


def touched(releases: Releases) -> dict[str, Touched]:
    narrow, whole = (releases_touched(read_lineage(releases, about), ABOUT) for about in (ABOUT, None))
    assert narrow == whole, "what is not decoded is not about it"
    return {one.release: one for one in whole}


def test_a_carried_target_brings_its_record_along(releases: Releases) -> None:
    first = deployed(releases, "embedding", NOTE)
    second = deployed(releases, "expansion")
    third = deployed(releases, "embedding")
    assert (first / "sources/embedding.json").read_bytes() == (second / "sources/embedding.json").read_bytes()
    assert sorted(path.name for path in (third / "sources").iterdir()) == ["embedding.json", "expansion.json"]
    assert {name: one.targets for name, one in touched(releases).items()} == {
        "v1": ("embedding",),
        "v2": ("embedding",),
    }


def test_adopted_models_have_no_record_and_derive_from_nothing(releases: Releases) -> None:
    deployed(releases, "embedding")
    assert not (releases.directory("v0") / "sources").exists()
    assert touched(releases) == {}


def test_each_distinct_record_is_read_once(releases: Releases) -> None:
    deployed(releases, "embedding", NOTE)
    for _ in range(5):
        deployed(releases, "expansion")
    lineage = read_lineage(releases)
    assert len(lineage.records) == 6
    assert len(read_lineage(releases, ABOUT).records) == 1


@pytest.mark.parametrize("harm", [b"", b"{}", b"not JSON"])
def test_a_damaged_record_makes_its_release_suspect(releases: Releases, harm: bytes) -> None:
    (deployed(releases, "embedding") / "sources/embedding.json").write_bytes(harm)
    assert touched(releases) == {"v1": Touched(release="v1", unaccounted=("embedding",))}


def test_a_record_that_is_gone_is_missed_in_every_release_after(releases: Releases) -> None:
    (deployed(releases, "embedding") / "sources/embedding.json").unlink()
    deployed(releases, "expansion")
    assert {name: one.unaccounted for name, one in touched(releases).items()} == {
        "v1": ("embedding",),
        "v2": ("embedding",),
    }


def test_one_whole_copy_speaks_for_the_others(releases: Releases) -> None:
    first = deployed(releases, "embedding", NOTE)
    deployed(releases, "expansion")
    (first / "sources/embedding.json").unlink()
    assert {name: one.targets for name, one in touched(releases).items()} == {
        "v1": ("embedding",),
        "v2": ("embedding",),
    }


def test_a_trained_model_that_never_had_a_record_is_suspect_wherever_it_is_carried(releases: Releases) -> None:
    deployed(releases, "embedding", recorded=False)
    deployed(releases, "expansion")
    assert {name: one.unaccounted for name, one in touched(releases).items()} == {
        "v1": ("embedding",),
        "v2": ("embedding",),
    }


def test_a_release_whose_metadata_cannot_be_read_is_suspect(releases: Releases) -> None:
    (deployed(releases, "embedding") / METADATA).write_text("{")
    assert touched(releases) == {"v1": Touched(release="v1", unaccounted=(UNREADABLE,))}


def test_a_tombstone_derives_from_nothing_any_more(releases: Releases) -> None:
    deployed(releases, "embedding", NOTE)
    withdraw(releases, ["v1"], "a test")
    assert set(touched(releases)) == {"v1"}, "until it is cleared"
    assert bury(releases, "v1")
    assert touched(releases) == {}


def test_what_carries_a_buried_releases_model_is_still_told(releases: Releases) -> None:
    deployed(releases, "embedding", NOTE)
    deployed(releases, "expansion")
    withdraw(releases, ["v1"], "a test")
    assert bury(releases, "v1")
    assert {name: one.targets for name, one in touched(releases).items()} == {"v2": ("embedding",)}
