"""iaipctl consent export: everything about one holder's material, in open formats (TOML and JSON lines)."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from daemon.cli.consent_coverage import survey
from daemon.cli.result import NOT_FOUND, Result
from daemon.cli.root import Context
from daemon.consent_uses import used_datasets
from daemon.web.lineage import manifest
from jobs.consent.coverage import Coverage
from jobs.consent.files import FOLDER_POLICY
from jobs.consent.holders import Wording, wordings_of
from jobs.consent.labels import labels_folder
from jobs.consent.roots import real_collections
from jobs.consent.terms import record_places
from jobs.consent.withdrawals import Journal
from jobs.domain.consent_log import Chain
from jobs.domain.errors import Refused
from jobs.domain.places import Place, holds, places
from jobs.domain.withdrawal import Withdrawal
from jobs.lineage import read_lineage
from jobs.publish import published_directory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("holder", help="a community, person or authority, as its record names it, or the record's name")
    parser.add_argument("folder", type=Path, help="a folder that is not there yet")
    parser.epilog = (
        "records/: the agreements as they stand, as they were imported and as they were withdrawn; labels/: what a"
        " steward made of labels. documents.jsonl: every document they speak of, whether in or out. rules.jsonl: what"
        " the policy says of the same places. uses.jsonl: what was made of which, and what is live. log.jsonl: every"
        " change. receipts/: of withdrawals. Only this holder's."
    )


def run(options: argparse.Namespace, context: Context) -> Result:
    known = wordings_of(options.holder, context.home.consent)
    if not known:
        talk = f"no record is or was of {options.holder}. Next: `iaipctl consent report`"
        return Result(schema="iaip.consent-export/1", data={"records": []}, text="", talk=talk, code=NOT_FOUND)
    folder = options.folder.expanduser().absolute()
    if folder.exists():
        raise Refused(f"{folder} is there already", remedy="name a new folder")
    found, stems = survey(context), {wording.stem for wording in known}
    reached = record_places([wording.record for wording in known], context.corpus.collections())
    withdrawals = [one for one in Journal(context.home.consent).all() if _is_theirs(one, stems, reached)]
    rows: dict[str, list[Any]] = {
        "documents": list(_documents(reached, found)),
        "rules": list(_rules(reached, found, context)),
        "uses": [*_learnt(stems, context), *_built(stems, context)],
        "log": list(_entries(stems, {one.id for one in withdrawals}, found.now.chain)),
    }
    with published_directory(folder) as stage:
        _write(stage, known, rows)
        receipts, labels = Journal(context.home.consent).receipts, labels_folder(context.home.consent)
        _copy([path for one in withdrawals for path in receipts.glob(f"{one.id}.*")], stage / "receipts")
        _copy([path for path in labels.glob("*.toml") if path.stem in stems], stage / "labels")
    counts = {name: len(rows[name]) for name in ("documents", "uses")}
    return Result(
        schema="iaip.consent-export/1",
        data={"records": sorted(stems), "folder": str(folder), "withdrawals": len(withdrawals), **counts},
        text=f"{len(stems)} records, {counts['documents']} documents, {counts['uses']} uses in {folder}",
    )


def _is_theirs(one: Withdrawal, stems: set[str], reached: Sequence[Place]) -> bool:
    return not stems.isdisjoint(one.consents) or any(
        holds(place, document) for place in reached for document in one.documents
    )


def _documents(reached: Sequence[Place], found: Coverage) -> Iterable[dict[str, Any]]:
    for document in found.documents:
        if any(holds(place, document.id) for place in reached):
            ruling, said = document.ruling, document.said.said
            yield {
                "document": str(document.id),
                "classification": ruling.classification,
                "uses": ruling.uses,
                "consents": ruling.consents,
                "reason": ruling.reason,
                "attribution": sorted({*said.attribution, *ruling.attribution}),
                "languages": said.languages,
            }


def _rules(reached: Sequence[Place], found: Coverage, context: Context) -> Iterable[dict[str, Any]]:
    """Every rule about a place that is one of theirs, has one in it, or lies in one."""
    real = real_collections(context.corpus.collections())
    for rule in found.now.policy:
        if any(_meet(place, other) for place in places(rule.place, real) for other in reached):
            yield {"place": rule.place, **msgspec.to_builtins(rule.said)}
    for own in found.now.terms.rules:
        if own.source == "folder policy" and any(_meet(own.place, other) for other in reached):
            yield {"place": str(own.place), "file": FOLDER_POLICY, **msgspec.to_builtins(own.said)}


def _meet(one: Place, other: Place) -> bool:
    size = min(len(one.parts), len(other.parts))
    return one.collection == other.collection and one.parts[:size] == other.parts[:size]


def _learnt(stems: set[str], context: Context) -> Iterable[dict[str, Any]]:
    """By the releases' own records, which outlast the datasets."""
    lineage = read_lineage(context.releases)
    states = {release.metadata.name: release.state for release in context.releases.all()}
    for name, record in lineage.records.items():
        carrying = [one.name for one in lineage.releases if name in one.records.values()]
        for source in record.sources:
            if _stands_on(source.consents, stems):
                yield _use(source, record.dataset, record.target, {one: states.get(one, "") for one in carrying})


def _built(stems: set[str], context: Context) -> Iterable[dict[str, Any]]:
    """Of datasets that no release's model was made from."""
    for one in used_datasets(context.releases.all(), context.home.datasets):
        dataset = None if one.releases else manifest(context.home.datasets, one.name)
        for source in dataset.sources if dataset else ():
            if _stands_on(source.consents, stems):
                yield _use(source, one.name, one.target, {})


def _use(source: Any, dataset: str, target: str, releases: dict[str, str]) -> dict[str, Any]:
    return {
        "document": str(source.id),
        "sha256": source.sha256,
        "uses": source.uses,
        "consents": source.consents,
        "dataset": dataset,
        "target": target,
        "releases": releases,
    }


def _stands_on(consents: Iterable[str], stems: set[str]) -> bool:
    return any(consent.strip().partition("@")[0] in stems for consent in consents)


def _entries(stems: set[str], withdrawals: set[str], chain: Chain) -> Iterable[object]:
    for entry in chain.entries:
        about = entry.subject.removesuffix(".toml") in stems or entry.detail.get("id") in withdrawals
        if about or _stands_on(entry.detail.get("consents", "").split(","), stems):
            yield entry


def _write(stage: Path, known: Sequence[Wording], rows: dict[str, list[Any]]) -> None:
    for wording in known:
        path = stage / "records" / wording.kept_as
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(wording.text, "utf-8")
    for name, entries in rows.items():
        (stage / f"{name}.jsonl").write_bytes(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))


def _copy(found: Sequence[Path], folder: Path) -> None:
    if found:
        folder.mkdir(mode=0o700)
    for path in found:
        shutil.copyfile(path, folder / path.name)
