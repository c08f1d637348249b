"""iaipctl lineage document: a note → examples → dataset → run → weights → GGUF → releases and their search indexes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from daemon.cli.result import NOT_FOUND, Result, table
from daemon.cli.root import Context
from jobs.domain.artifacts import Making, ReleaseState
from jobs.domain.corpus import CURATED, Collection, DocumentId
from jobs.domain.lineage import Lineage, Material, Provenance, Source, carriers, releases_touched, sources_in
from jobs.lineage import datasets_with, read_lineage
from jobs.releases import Releases
from jobs.withdrawal.asking import content_now, document_meant

SCHEMA = "iaip.lineage/1"


class Made(Struct, frozen=True, kw_only=True):
    """A model that learnt from the note or was judged by it, and the releases that carry it with their states."""

    record: Provenance
    sources: tuple[Source, ...]
    making: Making | None
    gguf: str
    releases: dict[str, ReleaseState]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", help="a note's path, or collection/path; also of one that is gone")


def run(options: argparse.Namespace, context: Context) -> Result:
    document = _meant(options.path, context)
    if document is None:
        talk = (
            "that is in none of your collections, and nothing was ever made from it."
            " Next: say a note's path or collection/path; `iaipctl consent coverage` shows what is in"
        )
        return Result(schema=SCHEMA, data={"document": None}, text="", talk=talk, code=NOT_FOUND)
    now = content_now(document, _places(context))
    about = Material(documents=frozenset([document]), contents=frozenset([now] if now else []))
    lineage = read_lineage(context.releases, about)
    made = [found for name in lineage.records if (found := _made(name, lineage, about, context.releases))]
    data = {
        "document": str(document),
        "present": now is not None,
        "sha256": now,
        "models": [_as_data(one) for one in made],
        "indexes": _rows(document, made, now, context),
        "datasets": [msgspec.to_builtins(one) for one in datasets_with(context.home.datasets, about)],
        "unaccounted": [
            {"release": one.release, "targets": one.unaccounted}
            for one in releases_touched(lineage, about)
            if one.unaccounted
        ],
    }
    return Result(schema=SCHEMA, data=data, text=_text(data, made))


def _places(context: Context) -> list[Collection]:
    """Where documents lie: the collections, and the curated files."""
    return [*context.corpus.collections(), Collection(name=CURATED, path=str(context.home.curated))]


def _meant(path: str, context: Context) -> DocumentId | None:
    """The file of that name, else a note that something was made from, and that is gone by now."""
    there = document_meant(path, _places(context), (), Path.cwd())
    if there is not None:
        return there
    known = {source.id for record in read_lineage(context.releases).records.values() for source in record.sources}
    return document_meant(path, _places(context), sorted(known), Path.cwd())


def _made(name: str, lineage: Lineage, about: Material, releases: Releases) -> Made | None:
    record = lineage.records[name]
    sources = tuple(sources_in(record, about))
    found = [releases.release(one) for one in carriers(lineage, name)]
    if not sources or not found:
        return None
    metadata = found[0].metadata
    return Made(
        record=record,
        sources=sources,
        making=metadata.made.get(record.target),
        gguf=Path(metadata.targets[record.target].gguf).name,
        releases={one.metadata.name: one.state for one in found},
    )


def _rows(document: DocumentId, made: list[Made], now: str | None, context: Context) -> list[dict[str, Any]]:
    """What each release's search index has of the note: rows, texts and vectors."""
    names = {document, *(source.id for one in made for source in one.sources)}
    texts = {source.sha256 for one in made for source in one.sources} | ({now} if now else set())
    found = []
    for name in context.releases.names():
        held = context.index_rows(context.releases.directory(name) / "index" / "index.sqlite", names, texts)
        if held.documents or held.vectors:
            found.append({"release": name, **msgspec.to_builtins(held)})
    return found


def _as_data(one: Made) -> dict[str, Any]:
    record = one.record
    return {
        "target": record.target,
        "run": record.run,
        "dataset": record.dataset,
        "merkle_root": record.merkle_root,
        "weights": one.making.weights if one.making else None,
        "gguf": one.gguf,
        "sha256": record.model,
        "releases": one.releases,
        "sources": [{"document": str(source.id), **msgspec.to_builtins(source)} for source in one.sources],
    }


def _text(data: dict[str, Any], made: list[Made]) -> str:
    state = f"sha256 {data['sha256']}" if data["present"] else "gone from your notes"
    lines = [f"{data['document']}: {state}", ""]
    if not made:
        lines.append("No model that a release carries learnt from it; `iaipctl consent coverage` says what is in.")
    for one in made:
        lines += [*_chain(one, data["sha256"]), ""]
    if data["indexes"]:
        rows = [[one["release"], str(one["documents"]), str(one["vectors"])] for one in data["indexes"]]
        lines += [table(["search index of", "documents", "vectors"], rows), ""]
    loose = [one for one in data["datasets"] if one["dataset"] not in {made_one.record.dataset for made_one in made}]
    lines += [f"also in dataset {one['dataset']} ({one['target']}), which no release carries" for one in loose]
    lines += [
        f"{one['release']}: nobody can say what its {', '.join(one['targets'])} derives from; its record is missing"
        for one in data["unaccounted"]
    ]
    return "\n".join(lines).rstrip()


def _chain(one: Made, now: str | None) -> list[str]:
    record = one.record
    weights = f"weights {one.making.weights[:12]} → " if one.making and one.making.weights else ""
    lines = [f"{record.target}, learnt in run {record.run}"]
    for source in one.sources:
        same = "" if source.sha256 == now else f", as it was then (sha256 {source.sha256[:12]})"
        use = f"{source.examples} examples of {record.examples}" if source.examples else "asked for by queries alone"
        lines.append(f"  {source.id}{same}: {use} ({', '.join(source.uses)})")
        if source.spans:
            lines.append(f"    characters {', '.join(f'{start}–{start + length}' for start, length in source.spans)}")
        if source.consents:
            lines.append(f"    allowed by {', '.join(source.consents)}")
    lines.append(f"  → dataset {record.dataset} (Merkle root {record.merkle_root[:12]}) → run {record.run}")
    lines.append(f"  → {weights}{one.gguf} (sha256 {record.model[:12]})")
    lines.append(f"  → {', '.join(f'{name} ({state})' for name, state in one.releases.items())}")
    return lines
