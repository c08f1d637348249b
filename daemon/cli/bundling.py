"""What `iaipctl export-bundle` does: what is public by the newest word, into a folder that is not there yet."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from daemon.cli.result import Result
from daemon.cli.root import Context
from jobs.consent.book import ConsentBook
from jobs.consent.terms import InForce, in_force
from jobs.dataset.bundle import Bundle, bundle, publish
from jobs.dataset.refresh import Inputs, refresh_under, ruled_anew
from jobs.domain.corpus import DocumentId
from jobs.domain.errors import Refused


def run(options: argparse.Namespace, context: Context) -> Result:
    folder = options.folder.expanduser().absolute()
    _refuse_taken(folder)
    found = _made(context)
    with ConsentBook(context.home.consent).held() as pen:
        _refuse_outdated(found, context)
        if folder.exists():
            folder.rmdir()
        publish(found, folder, getpass.getuser(), pen)
    return Result(
        schema="iaip.export-bundle/1",
        data={"folder": str(folder), "manifest": msgspec.to_builtins(found.manifest)},
        text=_text(found, folder),
        talk="Nothing was sent. Whoever carries it elsewhere answers for it: a copy cannot be taken back.",
    )


def _refuse_taken(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))):
        raise Refused(f"{folder} is there already and not an empty folder", remedy="name a new folder")


def _made(context: Context) -> Bundle:
    listing, now = context.listing(), datetime.now(UTC)
    inputs = Inputs(
        corpus=context.corpus,
        documents=listing,
        home=context.home,
        settings=context.settings,
        keys=context.keys,
    )
    terms = ruled_anew(inputs)
    refreshed = refresh_under(terms, inputs, lambda done, total: None)
    return bundle(context.home, context.settings, terms.terms, refreshed, context.keys, now)


def _refuse_outdated(found: Bundle, context: Context) -> None:
    """What is public is decided on the newest word."""
    terms = _terms(context, context.documents(), datetime.now(UTC))
    if terms.terms.revision != found.manifest.revision:
        raise Refused("what is public was changed meanwhile; nothing was written", remedy="try again")


def _terms(context: Context, documents: Sequence[DocumentId], now: datetime) -> InForce:
    return in_force(context.home, context.settings, context.corpus.collections(), documents, now)


def _text(found: Bundle, folder: Path) -> str:
    manifest = found.manifest
    rows = [f"{target}: {sum(part.rows.values())} rows" for target, part in manifest.parts.items()]
    out = [f"{count} {reason}" for reason, count in manifest.left_out.items()]
    lines = [f"{folder}: {manifest.documents} public sources, {', '.join(rows)}"]
    lines.append(f"left out: {', '.join(out)}" if out else "left out: nothing")
    if manifest.attributions:
        lines.append(f"to be named: {', '.join(manifest.attributions)}")
    return "\n".join(lines)
