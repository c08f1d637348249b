"""iaipctl consent export: everything about one holder's material, in open formats (TOML and JSON lines)."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from daemon.cli.consent_coverage import survey
from daemon.cli.result import NOT_FOUND, Result
from daemon.cli.root import Context
from daemon.consent_uses import used_datasets
from daemon.web.lineage import manifest
from jobs.consent.book import ConsentBook
from jobs.consent.coverage import Coverage
from jobs.consent.files import Record
from jobs.consent.terms import record_places
from jobs.domain.consent_log import Chain
from jobs.domain.errors import Refused
from jobs.domain.places import holds
from jobs.publish import published_directory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("holder", help="a community, person or authority, as its record names it, or the record's name")
    parser.add_argument("folder", type=Path, help="a folder that is not there yet")
    parser.epilog = (
        "records/*.toml: the agreements. documents.jsonl: every document they speak of, whether in or out. uses.jsonl:"
        " what was made of which, and what is live. log.jsonl: every change to these records. Only this holder's."
    )


def run(options: argparse.Namespace, context: Context) -> Result:
    found = survey(context)
    records = {
        name: record
        for name, record in found.now.records.items()
        if options.holder.casefold() in (record.holder.casefold(), name.removesuffix(".toml").casefold())
    }
    if not records:
        talk = f"no record in force as imported is of {options.holder}. Next: `iaipctl consent report`"
        return Result(schema="iaip.consent-export/1", data={"records": []}, text="", talk=talk, code=NOT_FOUND)
    folder = options.folder.expanduser().absolute()
    if folder.exists():
        raise Refused(f"{folder} is there already", remedy="name a new folder")
    documents = list(_documents(records, found, context))
    uses = list(_uses(records, context))
    texts = ConsentBook(context.home.consent).files()
    with published_directory(folder) as stage:
        (stage / "records").mkdir(mode=0o700)
        for name in records:
            (stage / "records" / name).write_text(texts[name], "utf-8")
        _write(stage / "documents.jsonl", documents)
        _write(stage / "uses.jsonl", uses)
        _write(stage / "log.jsonl", _entries(records, found.now.chain))
    return Result(
        schema="iaip.consent-export/1",
        data={"records": sorted(records), "folder": str(folder), "documents": len(documents), "uses": len(uses)},
        text=f"{len(records)} records, {len(documents)} documents, {len(uses)} uses in {folder}",
    )


def _documents(records: dict[str, Record], found: Coverage, context: Context) -> Iterable[dict[str, Any]]:
    reached = record_places(records.values(), context.corpus.collections())
    for document in found.documents:
        if any(holds(place, document.id) for place in reached):
            ruling, said = document.ruling, document.said.said
            yield {
                "document": str(document.id),
                "classification": ruling.classification,
                "uses": ruling.uses,
                "consents": ruling.consents,
                "reason": ruling.reason,
                "attribution": said.attribution,
                "languages": said.languages,
            }


def _uses(records: dict[str, Record], context: Context) -> Iterable[dict[str, Any]]:
    stems = {name.removesuffix(".toml") for name in records}
    for one in used_datasets(context.releases.all(), context.home.datasets):
        found = manifest(context.home.datasets, one.name)
        for source in found.sources if found else ():
            if any(consent.partition("@")[0] in stems for consent in source.consents):
                yield {
                    "document": str(source.id),
                    "sha256": source.sha256,
                    "uses": source.uses,
                    "consents": source.consents,
                    "dataset": one.name,
                    "target": one.target,
                    "releases": one.releases,
                }


def _entries(records: dict[str, Record], chain: Chain) -> Iterable[object]:
    stems = {name.removesuffix(".toml") for name in records}
    for entry in chain.entries:
        named = {consent.strip().partition("@")[0] for consent in entry.detail.get("consents", "").split(",")}
        if entry.subject in records or named & stems:
            yield entry


def _write(path: Path, rows: Iterable[object]) -> None:
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
