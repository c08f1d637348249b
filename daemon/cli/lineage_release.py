"""iaipctl lineage release: a release's models ← GGUF ← weights ← run ← dataset ← documents; and its search index."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from daemon.cli.result import FAILED, NOT_FOUND, Result
from daemon.cli.root import Context
from jobs.domain.artifacts import ReleaseMetadata
from jobs.domain.lineage import Provenance
from jobs.lineage import BILL, is_tombstone, record_of
from jobs.releases import Release

SCHEMA = "iaip.lineage/1"
_SHOWN = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="vN", help="a release")
    parser.add_argument("--bom", action="store_true", help="its CycloneDX ML-BOM, which names public notes alone")


def run(options: argparse.Namespace, context: Context) -> Result:
    name = options.name
    if name not in context.releases.names():
        talk = f"there is no release {name}. Next: `iaipctl releases` lists what there is"
        return Result(schema=SCHEMA, data={"release": None}, text="", talk=talk, code=NOT_FOUND)
    release = context.releases.release(name)
    if is_tombstone(release.directory):
        text = f"{name} was withdrawn: what it was made from is gone; consent/receipts in your home tells what was done"
        return Result(schema=SCHEMA, data={"release": name, "state": release.state, "models": []}, text=text)
    return _bill(release) if options.bom else _told(release, context)


def _bill(release: Release) -> Result:
    path = release.directory / BILL
    if not path.is_file():
        talk = f"{release.metadata.name} has no bill of materials: it was adopted as it was, or withdrawn since"
        return Result(schema=SCHEMA, data={"bom": None}, text="", talk=talk, code=NOT_FOUND)
    content = path.read_bytes()
    return Result(schema=SCHEMA, data={"bom": msgspec.json.decode(content)}, text=content.decode().rstrip("\n"))


def _told(release: Release, context: Context) -> Result:
    metadata = release.metadata
    records = {target: record_of(release, target) for target in metadata.sources}
    lost = sorted(target for target, record in records.items() if record is None)
    held = context.index_totals(release.directory / "index" / "index.sqlite")
    data = {
        "release": metadata.name,
        "state": release.state,
        "models": [_model(target, metadata, records.get(target)) for target in metadata.targets],
        "unaccounted": lost,
        "index": msgspec.to_builtins(held),
    }
    lines = [f"{metadata.name} ({release.state})", ""]
    for target in metadata.targets:
        lines += [*_chain(target, metadata, records.get(target)), ""]
    if not metadata.targets:
        lines += ["Its models are your own, as they were adopted; nothing was made from your notes.", ""]
    lines.append(
        f"search index: {held.documents} documents, {held.vectors} vectors, {held.answers} cached answers"
        " (QMD keeps no trace from an answer to a note)"
    )
    talk = f"the record of {', '.join(lost)} is missing or damaged: nobody can say what it derives from" if lost else ""
    return Result(schema=SCHEMA, data=data, text="\n".join(lines), talk=talk, code=FAILED if lost else 0)


def _model(target: str, metadata: ReleaseMetadata, record: Provenance | None) -> dict[str, Any]:
    model, making = metadata.targets[target], metadata.made.get(target)
    return {
        "target": target,
        "base": model.base,
        "gguf": Path(model.gguf).name,
        "sha256": model.sha256,
        "made": msgspec.to_builtins(making),
        "record": msgspec.to_builtins(record),
    }


def _chain(target: str, metadata: ReleaseMetadata, record: Provenance | None) -> list[str]:
    model, making = metadata.targets[target], metadata.made.get(target)
    lines = [f"{target}: {Path(model.gguf).name} (sha256 {model.sha256[:12] or 'not known'})"]
    if making is not None:
        tools = ", ".join(f"{name} {version}" for name, version in making.tools.items())
        lines.append(f"  ← weights {making.weights[:12] or 'not known'}, from base {model.base} {making.base[:12]}")
        lines.append(f"  ← run {making.run}, trained {making.intensity}" + (f", with {tools}" if tools else ""))
    if record is None:
        return [*lines, "  ← nothing is known of its sources" if making else "  ← yours, not trained here"]
    classes = Counter(source.classification for source in record.sources)
    told = ", ".join(f"{number} {name}" for name, number in sorted(classes.items()))
    lines.append(f"  ← dataset {record.dataset} (Merkle root {record.merkle_root[:12]}), {record.examples} examples")
    lines.append(f"  ← {len(record.sources)} sources: {told}")
    if making and making.consents:
        lines.append(f"    allowed by {', '.join(making.consents)}")
    if making and making.attributions:
        lines.append(f"    named with thanks: {', '.join(making.attributions)}")
    lines += [
        f"    {source.id}  {source.sha256[:12]}  {source.examples} examples" for source in record.sources[:_SHOWN]
    ]
    if len(record.sources) > _SHOWN:
        lines.append(f"    … and {len(record.sources) - _SHOWN} more; --json has them all")
    return lines
