"""Whatever the tree, the policies, the consents and the withdrawal: nothing live or reachable derives from it."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.paths import Home
from jobs.dataset.build import Dataset
from jobs.domain.artifacts import LiveModel, ReleaseMetadata
from jobs.domain.corpus import DocumentId
from jobs.domain.errors import Refused
from jobs.domain.examples import Target
from jobs.domain.lineage import provenance
from jobs.lineage import with_record
from jobs.release_publishing import publish_release
from jobs.releases import Releases
from jobs.withdrawal.asking import Asked, records_meant
from jobs.withdrawal.stopping import begin
from tests.unit.dataset.any_tree import FOLDER_POLICIES, GRANTS, POLICY, TREE, built, laid_out, touched

TARGETS: tuple[Target, ...] = ("embedding", "expansion")


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(TREE, POLICY, FOLDER_POLICIES, GRANTS, st.sampled_from(["document", "consent", "person"]), st.integers(0, 8))
def test_after_a_withdrawal_nothing_live_or_reachable_derives_from_it(
    tmp_path_factory: pytest.TempPathFactory,
    tree: list[tuple[str, str]],
    policy: list[tuple[str, str]],
    folder_policies: dict[str, str],
    grants: list[tuple[str, str, list[str], str, str]],
    what: Any,
    which: int,
) -> None:
    place, corpus, listing = laid_out(tmp_path_factory.mktemp("any"), tree, policy, folder_policies, grants)
    releases = Releases(place.releases, lambda live, other: live, lambda _: True)
    releases.models.mkdir(parents=True)
    goes_live(releases, ReleaseMetadata(name="v0", created_at=datetime.now(UTC), targets={}), {})
    learnt = [dataset for target in TARGETS if (dataset := built(place, corpus, listing, target)) is not None]
    for number, dataset in enumerate(learnt, start=1):
        deployed(releases, dataset, number)
    asked = asks(what, which, place, listing)
    begin(asked, place, releases, by="a test", now=datetime.now(UTC))
    assert releases.live() is not None
    for name in releases.names():
        reachable = name == releases.live() or can_be_live(releases, name)
        assert not (reachable and derives(releases.directory(name), asked)), f"{name} derives from {asked}"
    for target in TARGETS:
        if (after := built(place, corpus, listing, target)) is not None:
            assert {document for document, _ in touched(after)}.isdisjoint(asked.documents)
            ended = {record.record for record in asked.records}
            rows = (*after.train, *after.development, *after.test)
            assert all(consent.partition("@")[0] not in ended for row in rows for consent in row.origin.consents)


def asks(what: Any, which: int, place: Home, listing: list[tuple[DocumentId, str]]) -> Asked:
    if what == "document":
        document, content = listing[which % len(listing)]
        return Asked(what="document", name=str(document), documents=(document,), contents=(content,))
    name = ("ada", "council", "band")[which % 3]
    return Asked(what=what, name=name, records=records_meant(what, name, place.consent))


def goes_live(releases: Releases, metadata: ReleaseMetadata, papers: dict[str, bytes]) -> None:
    publish_release(releases, metadata, "", Path.touch, papers)
    if releases.live() is None:
        releases.current.symlink_to(metadata.name)
    releases.switch(metadata.name)
    releases.confirm(metadata.name)


def deployed(releases: Releases, dataset: Dataset, run: int) -> None:
    content = dataset.manifest.name.encode()
    gguf = releases.models / f"small-{sha256(content).hexdigest()[:12]}.gguf"
    gguf.write_bytes(content)
    model = LiveModel(base="small", gguf=str(gguf), sha256=sha256(content).hexdigest())
    rows = (*dataset.train, *dataset.development, *dataset.test)
    record = provenance(dataset.manifest, rows, dataset.documents, dataset.query_sets, run=run, model=model.sha256)
    live = releases.release(str(releases.live()))
    named, papers = with_record(record, live)
    target = dataset.manifest.target
    metadata = ReleaseMetadata(
        name=f"v{run}",
        created_at=datetime.now(UTC),
        targets={**live.metadata.targets, target: model},
        run=run,
        target=target,
        sources=named,
    )
    goes_live(releases, metadata, papers)


def can_be_live(releases: Releases, name: str) -> bool:
    """Tried for real: what no rollback leads to is out of reach."""
    live = releases.live()
    try:
        releases.roll_back(name)
    except Refused:
        return False
    releases.roll_back(live)
    return True


def derives(release: Path, asked: Asked) -> bool:
    """By the release's own papers, read here in the plainest way."""
    documents = {(document.collection, document.path) for document in asked.documents}
    ended = {record.record for record in asked.records}
    for path in (release / "sources").glob("*.json") if (release / "sources").is_dir() else ():
        for source in msgspec.json.decode(path.read_bytes())["sources"]:
            if (source["id"]["collection"], source["id"]["path"]) in documents or source["sha256"] in asked.contents:
                return True
            if ended & {consent.partition("@")[0] for consent in source.get("consents", ())}:
                return True
    return False
