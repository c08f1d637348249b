"""A release as a CycloneDX ML-BOM, by cyclonedx-python-lib: models, their bases, datasets and sources.

A document to share: it names public documents only. Of all others it says how many there are of a class, and the
Merkle root over their digests: a holder of the documents can check it, and nobody can guess at a single one.
The library knows no model cards yet, so recipes and measures are properties.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from uuid import NAMESPACE_URL, uuid5

import msgspec
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6

from config.version import VERSION
from jobs.domain.artifacts import ReleaseMetadata
from jobs.domain.lineage import Provenance, Source, merkle_root


def bill_of_materials(release: ReleaseMetadata, records: Mapping[str, Provenance]) -> bytes:
    """JSON of CycloneDX 1.6. ``records`` are the release's by target; the same input gives the same bytes."""
    whole = Component(
        name=release.name, type=ComponentType.APPLICATION, group="iaip", bom_ref=f"release/{release.name}"
    )
    tools = [Component(name="iaip", version=VERSION)]
    tools += [Component(name=name, version=version) for name, version in sorted(_tools(release).items())]
    bom = Bom(
        serial_number=uuid5(NAMESPACE_URL, _identity(release)),
        metadata=BomMetaData(component=whole, timestamp=release.created_at, tools=ToolRepository(components=tools)),
    )
    models = [_add_model(bom, release, target, records.get(target)) for target in release.targets]
    bom.register_dependency(whole, models)
    return JsonV1Dot6(bom).output_as_string(indent=1).encode() + b"\n"


def _identity(release: ReleaseMetadata) -> str:
    """Two releases of one name on two machines are two."""
    return f"iaip:release:{msgspec.json.encode(release).decode()}"


def _tools(release: ReleaseMetadata) -> dict[str, str]:
    return {name: version for making in release.made.values() for name, version in making.tools.items()} | release.tools


def _add_model(bom: Bom, release: ReleaseMetadata, target: str, record: Provenance | None) -> Component:
    model, making = release.targets[target], release.made.get(target)
    facts = {} if making is None else {"run": str(making.run), "weights": making.weights, "intensity": making.intensity}
    recipe = {} if making is None else {f"recipe:{key}": _shown(value) for key, value in making.recipe.items()}
    found = Component(
        name=f"{target} model",
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"model/{target}",
        hashes=_hashes(model.sha256),
        properties=_properties(facts | recipe),
    )
    base = Component(
        name=model.base,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"base/{target}",
        properties=_properties({} if making is None else {"digest": making.base}),
    )
    for component in (found, base):
        bom.components.add(component)
    bom.register_dependency(found, [base, *([] if record is None else [_add_dataset(bom, target, record)])])
    return found


def _add_dataset(bom: Bom, target: str, record: Provenance) -> Component:
    judged = {f"judged by:{one.name}": f"{one.queries} queries, sha256 {one.sha256}" for one in record.query_sets}
    facts = {"examples": str(record.examples), "merkle root": record.merkle_root, "consent revision": record.consent}
    dataset = Component(
        name=record.dataset,
        type=ComponentType.DATA,
        bom_ref=f"dataset/{target}",
        properties=_properties(facts | judged),
        components=[*_public(target, record.sources), *_others(target, record.sources)],
    )
    bom.components.add(dataset)
    return dataset


def _public(target: str, sources: Iterable[Source]) -> Iterable[Component]:
    for source in sources:
        if source.classification == "public":
            yield Component(
                name=str(source.id),
                type=ComponentType.DATA,
                bom_ref=f"source/{target}/{source.id}",
                copyright=", ".join(source.attribution) or None,
                hashes=_hashes(source.sha256),
                properties=_properties({"classification": "public", "examples": str(source.examples)}),
            )


def _others(target: str, sources: Iterable[Source]) -> Iterable[Component]:
    """One component a class, without a name, a digest or a consent of any document."""
    closed = [source for source in sources if source.classification != "public"]
    for classification, count in sorted(Counter(source.classification for source in closed).items()):
        digests = sorted(source.sha256 for source in closed if source.classification == classification)
        facts = {
            "classification": classification,
            "documents": str(count),
            "merkle root": merkle_root(digest.encode() for digest in digests),
        }
        yield Component(
            name=f"{classification} sources",
            type=ComponentType.DATA,
            bom_ref=f"sources/{target}/{classification}",
            properties=_properties(facts),
        )


def _hashes(sha256: str) -> list[HashType]:
    return [HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else []


def _properties(facts: Mapping[str, str]) -> list[Property]:
    return [Property(name=f"iaip:{name}", value=value) for name, value in facts.items() if value]


def _shown(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
