"""What a release derives from: by documents, by contents and by consents, through every target it carries."""

from __future__ import annotations

import hashlib
import unicodedata
from typing import get_args

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from jobs.domain.consent import Use
from jobs.domain.corpus import CURATED, DocumentId
from jobs.domain.examples import (
    DatasetCounts,
    DatasetManifest,
    JudgedQuery,
    KnownDocument,
    Origin,
    Pair,
    QuerySet,
    SourceDocument,
)
from jobs.domain.lineage import (
    Lineage,
    Material,
    Provenance,
    ReleaseLineage,
    Source,
    derives,
    merkle_root,
    needles,
    provenance,
    releases_touched,
    sources_in,
)

NOTES = [DocumentId(collection="notes", path=f"{name}.md") for name in ("a", "b", "Écoles/été", "d")]
CONSENTS = ("ada@1", "ada@4", "council@2")
SOURCES = st.builds(
    Source,
    id=st.sampled_from([*NOTES, DocumentId(collection=CURATED, path="embedding/mine.jsonl#0123456789ab")]),
    sha256=st.sampled_from(["aa", "bb", "cc"]),
    classification=st.sampled_from(["public", "personal"]),
    consents=st.lists(st.sampled_from(CONSENTS), max_size=2, unique=True).map(tuple),
    uses=st.just(("embed",)),
)


def record(target: str, *sources: Source) -> Provenance:
    return Provenance(
        target=target,
        run=1,
        model="m",
        dataset="d",
        merkle_root="",
        examples=1,
        consent="",
        query_sets=(),
        sources=sources,
    )


RECORDS = st.lists(st.tuples(st.sampled_from(["embedding", "expansion"]), st.lists(SOURCES, max_size=4)), max_size=6)
MATERIAL = st.builds(
    Material,
    documents=st.frozensets(st.sampled_from(NOTES), max_size=2),
    contents=st.frozensets(st.sampled_from(["aa", "cc"]), max_size=1),
    consents=st.frozensets(st.sampled_from([*CONSENTS, "ada", "council"]), max_size=2),
)


def trained(records: list[tuple[str, list[Source]]]) -> Lineage:
    """A release a record, each taking over the other target from the one before."""
    known = {f"r{number}": record(target, *sources) for number, (target, sources) in enumerate(records)}
    carried: dict[str, str] = {}
    releases = [ReleaseLineage(name="v0")]
    for number, digest in enumerate(known, start=1):
        carried = {**carried, known[digest].target: digest}
        releases.append(ReleaseLineage(name=f"v{number}", records=carried))
    return Lineage(releases=tuple(releases), records=known)


@given(RECORDS, MATERIAL)
def test_a_release_is_touched_exactly_when_a_target_it_carries_derives_from_the_material(
    records: list[tuple[str, list[Source]]], material: Material
) -> None:
    lineage = trained(records)
    touched = {one.release: set(one.targets) for one in releases_touched(lineage, material)}
    for release in lineage.releases:
        through = {target for target, name in release.records.items() if derives(lineage.records[name], material)}
        assert touched.get(release.name, set()) == through
    for one in lineage.records.values():
        asked = {document.path for document in material.documents}
        by_hand = [
            source
            for source in one.sources
            if source.id.path in asked
            or source.sha256 in material.contents
            or any(c in material.consents or c.split("@")[0] in material.consents for c in source.consents)
        ]
        assert list(sources_in(one, material)) == by_hand


@given(RECORDS, MATERIAL)
def test_more_material_touches_no_fewer_releases(records: list[tuple[str, list[Source]]], material: Material) -> None:
    lineage = trained(records)
    more = msgspec.structs.replace(material, documents=frozenset(NOTES))
    found = {one.release for one in releases_touched(lineage, material)}
    assert found <= {one.release for one in releases_touched(lineage, more)}


@given(RECORDS, MATERIAL)
def test_what_nobody_can_account_for_counts_as_derived(
    records: list[tuple[str, list[Source]]], material: Material
) -> None:
    lineage = trained(records)
    lost = ReleaseLineage(name="v99", unaccounted=("embedding",))
    found = releases_touched(msgspec.structs.replace(lineage, releases=(*lineage.releases, lost)), material)
    assert found[-1].release == "v99" and found[-1].unaccounted == ("embedding",)


def test_the_owners_own_release_derives_from_nothing() -> None:
    assert releases_touched(trained([]), Material(documents=frozenset(NOTES), consents=frozenset(CONSENTS))) == ()


def test_a_curated_file_stands_for_the_texts_in_it() -> None:
    text = DocumentId(collection=CURATED, path="embedding/mine.jsonl#0123456789ab")
    made = record("embedding", Source(id=text, sha256="aa", classification="public"))
    file = DocumentId(collection=CURATED, path="embedding/mine.jsonl")
    assert derives(made, Material(documents=frozenset([file])))
    other = DocumentId(collection=CURATED, path="embedding/mine.json")
    assert not derives(made, Material(documents=frozenset([other])))


PATHS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


@given(PATHS, st.sampled_from(["NFC", "NFD"]), st.sampled_from(["NFC", "NFD"]))
@example("\u212aelvin.md", "NFD", "NFC")
@example('a "b" \\ é/e\u0301`;K.md', "NFC", "NFD")
def test_a_path_is_found_in_either_unicode_form_also_among_the_bytes(path: str, on_disk: str, asked: str) -> None:
    for as_written in (path, unicodedata.normalize(on_disk, path)):  # type: ignore[arg-type]
        source = Source(id=DocumentId(collection="notes", path=as_written), sha256="aa", classification="public")
        typed = unicodedata.normalize(asked, path)  # type: ignore[arg-type]
        material = Material(documents=frozenset([DocumentId(collection="notes", path=typed)]))
        made = record("embedding", source)
        assert derives(made, material)
        content = msgspec.json.encode(made)
        assert any(needle in content for needle in needles(material))


@given(RECORDS, MATERIAL)
def test_whatever_derives_from_the_material_holds_one_of_its_needles(
    records: list[tuple[str, list[Source]]], material: Material
) -> None:
    for one in trained(records).records.values():
        if derives(one, material):
            content = msgspec.json.encode(one)
            assert any(needle in content for needle in needles(material))


def recursive_root(leaves: list[bytes]) -> bytes:
    """RFC 9162, section 2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + recursive_root(leaves[:split]) + recursive_root(leaves[split:])).digest()


@given(st.lists(st.binary(max_size=4), max_size=40))
def test_the_merkle_root_is_that_of_the_standard(leaves: list[bytes]) -> None:
    assert merkle_root(leaves) == recursive_root(leaves).hex()


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=20), st.data())
def test_the_root_changes_with_every_example_and_with_their_order(leaves: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(leaves) - 1))
    changed = [*leaves[:at], leaves[at] + b"!", *leaves[at + 1 :]]
    assert merkle_root(changed) != merkle_root(leaves)
    assert merkle_root(leaves[:at] + leaves[at + 1 :]) != merkle_root(leaves)
    if leaves != leaves[::-1]:
        assert merkle_root(leaves[::-1]) != merkle_root(leaves)


def pair(document: DocumentId, start: int, through: DocumentId | None = None) -> Pair:
    origin = Origin(document=document, sha256="aa", start=start, length=10, generator="title", through=through)
    return Pair(query="q", title="t", passage="0123456789", relevant=(document,), language="en", origin=origin)


def test_a_record_tells_spans_counts_and_what_judged() -> None:
    a, b, c, _ = NOTES
    uses: tuple[Use, ...] = get_args(Use)
    manifest = DatasetManifest(
        name="d1",
        target="embedding",
        generator_version=1,
        seed=1,
        counts=DatasetCounts(rows={"train": 2, "development": 0, "test": 1}, generators={}, languages={}, dropped={}),
        sources=(
            SourceDocument(id=a, sha256="aa", rows=3, uses=("embed",), classification="personal", consents=("ada@1",)),
            SourceDocument(id=b, sha256="bb", rows=1, uses=("embed",), classification="public"),
        ),
        excluded=0,
        curated_problems=(),
        consent="rev",
        merkle_root="root",
    )
    rows = [pair(a, 20), pair(a, 0, through=b), pair(a, 20)]
    known = [KnownDocument(id=c, sha256="cc", classification="community", consents=("council@2",))]
    mine = QuerySet(
        name="mine", kind="curated", queries=(JudgedQuery(id="1", text="x", relevant={str(c): 1, str(a): 2}),)
    )
    made = provenance(manifest, rows, [*known, KnownDocument(id=a, sha256="aa")], [mine], run=7, model="m" * 64)
    by_id = {source.id: source for source in made.sources}
    assert by_id[a].spans == ((0, 10), (20, 10)) and by_id[a].examples == 3
    assert by_id[a].uses == ("embed", "evaluate") and by_id[a].consents == ("ada@1",)
    assert by_id[b].spans == () and by_id[b].examples == 1
    assert by_id[c].uses == ("evaluate",) and by_id[c].consents == ("council@2",) and by_id[c].examples == 0
    assert set(by_id[a].uses) < set(uses)
    assert (made.run, made.dataset, made.merkle_root, made.consent, made.examples) == (7, "d1", "root", "rev", 3)
    [judging] = made.query_sets
    assert (judging.name, judging.queries) == ("mine", 1)
    assert judging.sha256 == hashlib.sha256(msgspec.json.encode(mine)).hexdigest()
