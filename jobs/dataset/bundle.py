"""A training bundle of public material alone: what may be carried elsewhere by hand. Nothing here sends anything.

    manifest.json         what is in, what is not and why, digests, recipes (iaip.bundle/1)
    ATTRIBUTION.txt       whom to name, and for which documents
    sources.jsonl         every document and curated file that rows come from
    <target>/{train,development,test}.jsonl
    SHA256SUMS

The rows are made anew from public documents, not picked from a dataset: no statistics, near-duplicates or links of a
closed document play a part in them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from config.paths import Home
from config.settings import DatasetSettings, Settings
from config.version import VERSION
from jobs.consent.book import Pen
from jobs.dataset import assemble
from jobs.dataset.assemble import Placed
from jobs.dataset.cache import Cached, opened
from jobs.dataset.curated import Curated, read_curated
from jobs.dataset.left_out import left_out, without
from jobs.dataset.library import library
from jobs.dataset.links import DocumentNames
from jobs.dataset.permission import ruled_files
from jobs.dataset.refresh import TARGET_USES, Refreshed
from jobs.dataset.sources import sources
from jobs.domain.consent import Ruling, Terms
from jobs.domain.corpus import digest
from jobs.domain.errors import NotEnough
from jobs.domain.examples import SPLITS, Expansion, Pair, SourceDocument, Target
from jobs.domain.lineage import merkle_root
from jobs.keys import Keys
from jobs.publish import published_directory

TARGETS: tuple[Target, ...] = ("embedding", "expansion")
Rows = Sequence[Placed[Pair] | Placed[Expansion]]


class Part(Struct, frozen=True, kw_only=True):
    """One target's rows. The Merkle root is over their lines in the order train, development, test."""

    rows: dict[str, int]
    merkle_root: str
    recipe: dict[str, Any]


class BundleManifest(Struct, frozen=True, kw_only=True):
    """``left_out`` counts by reason. ``revision`` is of the consent that it was made under."""

    schema: str = "iaip.bundle/1"
    name: str
    created_at: datetime
    version: str = VERSION
    revision: str
    documents: int
    parts: dict[str, Part]
    left_out: dict[str, int]
    attributions: tuple[str, ...]


class Bundle(Struct, frozen=True, kw_only=True):
    """A bundle in memory: its manifest, and every other file by its path."""

    manifest: BundleManifest
    files: dict[str, bytes]


def bundle(home: Home, settings: Settings, terms: Terms, refreshed: Refreshed, keys: Keys, now: datetime) -> Bundle:
    """Made of the examples cache as it was just refreshed under the same terms.

    Raises NotEnough if no public document gives a row.
    """
    with opened(home.examples_cache, keys) as cache:
        cached = tuple(cache.everything())
    public = tuple(entry for entry in cached if is_public(entry.ruling))
    placed = {target: _rows(target, public, home, settings.dataset, terms) for target in TARGETS}
    used = {target: source for target, (_, source) in placed.items()}
    files = {
        f"{target}/{split}.jsonl": _lines(one.row for one in rows if one.split == split)
        for target, (rows, _) in placed.items()
        for split in SPLITS
    }
    known = {source.id: source for found in used.values() for source in found}
    if not known:
        raise NotEnough(
            "no public note gives an example, so there is nothing to carry elsewhere",
            remedy="`iaipctl consent classify FOLDER --as public` says that a folder is public",
        )
    files["sources.jsonl"] = _lines(known[document] for document in sorted(known))
    files["ATTRIBUTION.txt"] = _attribution(known.values())
    manifest = BundleManifest(
        name=digest(*(hashlib.sha256(content).hexdigest() for content in files.values())),
        created_at=now,
        revision=terms.revision,
        documents=len(known),
        parts={target: _part(target, files, settings) for target in TARGETS},
        left_out=_left_out(cached, refreshed),
        attributions=tuple(sorted({name for source in known.values() for name in source.attribution})),
    )
    return Bundle(manifest=manifest, files=files)


def is_public(ruling: Ruling) -> bool:
    """Public, for every use, and on nobody's consent: what a consent allows can be withdrawn, a bundle cannot."""
    return ruling.classification == "public" and "share" in ruling.uses and not ruling.consents


def publish(found: Bundle, folder: Path, by: str, pen: Pen) -> None:
    """Puts the entry into the consent log, then the bundle at ``folder``, whole or not at all.

    Raises Refused, with nothing written, if the log is broken.
    """
    manifest = found.manifest
    detail = {
        "by": by,
        "documents": f"{manifest.documents} public",
        "left out": ", ".join(f"{count} {reason}" for reason, count in manifest.left_out.items()),
        "revision": manifest.revision,
    }
    pen.add("use", f"bundle {manifest.name}", detail, "", manifest.created_at)
    files = found.files | {"manifest.json": msgspec.json.format(msgspec.json.encode(manifest))}
    with published_directory(folder) as stage:
        for name, content in files.items():
            (stage / name).parent.mkdir(exist_ok=True)
            (stage / name).write_bytes(content)
        sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
        (stage / "SHA256SUMS").write_text(sums, "utf-8")


def _rows(
    target: Target, public: Sequence[Cached], home: Home, settings: DatasetSettings, terms: Terms
) -> tuple[Rows, tuple[SourceDocument, ...]]:
    """The target's rows, and what they come from."""
    entries = [entry for entry in public if TARGET_USES[target] in entry.ruling.uses]
    names = DocumentNames(entry.id for entry in entries)
    files = {name: file for name, file in ruled_files(home.curated, terms).items() if is_public(file.ruling)}
    curated = read_curated(home.curated, target, names)
    curated = Curated(
        pairs=tuple(pair for pair in curated.pairs if pair.file in files),
        expansions=tuple(expansion for expansion in curated.expansions if expansion.file in files),
    )
    shelf = library(entries, names, curated.pairs, files, settings)
    unwanted = left_out(home.left_out).keys()
    rows: Rows = (
        without(unwanted, assemble.pairs(shelf, curated), shelf.dropped)
        if target == "embedding"
        else without(unwanted, assemble.expansions(shelf, curated, settings), shelf.dropped)
    )
    return rows, sources(target, rows, (), shelf)


def _part(target: Target, files: Mapping[str, bytes], settings: Settings) -> Part:
    lines = {split: files[f"{target}/{split}.jsonl"].splitlines() for split in SPLITS}
    return Part(
        rows={split: len(found) for split, found in lines.items()},
        merkle_root=merkle_root(line for found in lines.values() for line in found),
        recipe=msgspec.to_builtins(settings.embedding if target == "embedding" else settings.expansion),
    )


def _left_out(cached: Sequence[Cached], refreshed: Refreshed) -> dict[str, int]:
    """Documents by reason: what may be used here, but is not public, goes by its class."""
    here = (entry.ruling for entry in cached if not is_public(entry.ruling))
    reasons = Counter(
        "public by consent" if ruling.classification == "public" else ruling.classification for ruling in here
    )
    reasons.update(refreshed.denied)
    reasons["unreadable"] += refreshed.unreadable
    return {reason: count for reason, count in reasons.most_common() if count}


def _attribution(found: Iterable[SourceDocument]) -> bytes:
    named: dict[str, list[str]] = {}
    for source in found:
        for name in source.attribution:
            named.setdefault(name, []).append(str(source.id))
    lines = ["Whoever uses this bundle names these people and communities.", ""]
    for name, documents in sorted(named.items()):
        lines += [name, *(f"    {document}" for document in sorted(documents)), ""]
    return ("\n".join(lines) if named else "No document asks for a name to be named.\n").encode()


def _lines(values: Iterable[Struct]) -> bytes:
    return b"".join(msgspec.json.encode(value) + b"\n" for value in values)
