"""The bill of materials is valid by its own schema, always the same, and says nothing of closed documents."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given
from hypothesis import strategies as st

from jobs.adapters.cyclonedx_bom import bill_of_materials
from jobs.domain.artifacts import LiveModel, Making, ReleaseMetadata
from jobs.domain.consent import Classification
from jobs.domain.corpus import DocumentId
from jobs.domain.lineage import JudgingSet, Provenance, Source

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
HEX = "0123456789abcdef" * 4
CLASSES: tuple[Classification, ...] = ("public", "personal", "community", "sacred", "unclassified")


def source(number: int, classification: Classification, name: str = "note") -> Source:
    return Source(
        id=DocumentId(collection="notes", path=f"{name}-{number}.md"),
        sha256=f"{number:064x}",
        classification=classification,
        consents=(f"{name}-record@1",) if classification != "public" else (),
        attribution=(f"{name}-author",),
        uses=("embed",),
        examples=number,
    )


def release(*sources: Source) -> tuple[ReleaseMetadata, dict[str, Provenance]]:
    """With a trained embedding model and one of the owner's for expansion."""
    making = Making(
        run=7, dataset="d1", merkle_root=HEX, base=HEX, weights=HEX, intensity="firm",
        recipe={"base": "small", "epochs": 2, "average_weights": [0.5, 1.0]}, tools={"torch": "2.13.0"},
        consent="r", consents=(), attributions=(), classes={},
    )  # fmt: skip
    metadata = ReleaseMetadata(
        name="v2",
        created_at=NOW,
        targets={
            "embedding": LiveModel(base="small", gguf="/home/ada/releases/models/small-0.gguf", sha256=HEX),
            "expansion": LiveModel(base="theirs", gguf="hf:theirs", sha256=""),
        },
        target="embedding",
        run=7,
        tools={"qmd": "2.8.3", "exporter": "llama.cpp b1"},
        made={"embedding": making},
    )
    record = Provenance(
        target="embedding", run=7, model=HEX, dataset="d1", merkle_root=HEX, examples=10, consent="r",
        query_sets=(JudgingSet(name="mine", kind="curated", queries=3, sha256=HEX),), sources=sources,
    )  # fmt: skip
    return metadata, {"embedding": record}


def components(bom: bytes) -> dict[str, Any]:
    """Those of the datasets too."""
    outer = json.loads(bom)["components"]
    return {one["bom-ref"]: one for part in outer for one in (part, *part.get("components", ()))}


def values(component: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in component["properties"]}


@given(st.lists(st.sampled_from(CLASSES), max_size=6))
def test_it_is_valid_and_names_public_documents_alone(classes: list[Classification]) -> None:
    sources = [source(number, one, "open" if one == "public" else "closed") for number, one in enumerate(classes)]
    bom = bill_of_materials(*release(*sources))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bom.decode()) is None
    assert b"closed" not in bom and b"/home/ada" not in bom
    for one in sources:
        named = str(one.id).encode() in bom
        assert named == (one.classification == "public")
        assert (f'"{one.sha256}"'.encode() in bom) == named
    told = {ref: values(one) for ref, one in components(bom).items() if ref.startswith("sources/")}
    closed = [one for one in classes if one != "public"]
    assert sum(int(one["iaip:documents"]) for one in told.values()) == len(closed)


def test_it_leads_from_the_release_to_the_sources() -> None:
    bom = bill_of_materials(*release(source(1, "public", "open"), source(2, "personal", "closed")))
    leads = {one["ref"]: set(one.get("dependsOn", ())) for one in json.loads(bom)["dependencies"]}
    assert leads["release/v2"] == {"model/embedding", "model/expansion"}
    assert leads["model/embedding"] == {"base/embedding", "dataset/embedding"}
    assert leads["model/expansion"] == {"base/expansion"}
    found = components(bom)
    inside = {one["bom-ref"] for one in found["dataset/embedding"]["components"]}
    assert inside == {"source/embedding/notes/open-1.md", "sources/embedding/personal"}
    assert found["model/embedding"]["hashes"] == [{"alg": "SHA-256", "content": HEX}]
    told = values(found["model/embedding"])
    assert told["iaip:run"] == "7" and told["iaip:recipe:average_weights"] == "[0.5,1.0]"
    assert values(found["dataset/embedding"])["iaip:merkle root"] == HEX
    assert found["source/embedding/notes/open-1.md"]["copyright"] == "open-author"


def test_the_same_release_gives_the_same_bytes_and_another_another_number() -> None:
    metadata, records = release(source(1, "public"))
    assert bill_of_materials(metadata, records) == bill_of_materials(metadata, records)
    other = msgspec.structs.replace(metadata, run=8)
    serial = [json.loads(bill_of_materials(one, records))["serialNumber"] for one in (metadata, other)]
    assert serial[0] != serial[1]


def test_the_validator_can_say_no() -> None:
    broken = bill_of_materials(*release()).replace(b'"machine-learning-model"', b'"magic"')
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(broken.decode()) is not None


@pytest.mark.parametrize("name", ["Écoles/été", 'a "b"', "ᐊᓂᔑᓈᐯᒧᐎᓐ"])
def test_any_name_is_valid(name: str) -> None:
    bom = bill_of_materials(*release(source(1, "public", name)))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bom.decode()) is None
    assert f"notes/{name}-1.md" in {one["name"] for one in components(bom).values()}
