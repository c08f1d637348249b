"""What `iaipctl withdraw` does: what is meant and foretold, the work by the daemon or by this process, the receipt."""

from __future__ import annotations

import argparse
import getpass
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import structlog

from daemon.cli.result import DONE, FAILED, NOT_FOUND, REFUSED, USAGE, Result
from daemon.cli.root import Context
from daemon.ledger.books import Books
from daemon.ledger.restore import open_keeping_a_copy
from daemon.recover import reclaim, sweep
from daemon.system.lock import single_daemon
from daemon.system.processes import boot_id, this_process
from daemon.withdrawals import Means, Withdrawer
from jobs.consent.withdrawals import Journal
from jobs.dataset.cache import opened
from jobs.domain.corpus import DocumentId
from jobs.domain.errors import IaipError
from jobs.domain.withdrawal import What, Withdrawal, name_key
from jobs.lineage import read_lineage
from jobs.withdrawal.asking import Asked, content_now, document_meant, records_meant
from jobs.withdrawal.receipts import check, in_words
from jobs.withdrawal.stopping import begin, foreseen, start_over

SCHEMA = "iaip.withdraw/1"
WAIT_SECONDS = 20.0


def run(options: argparse.Namespace, context: Context) -> Result:
    if options.verify is not None:
        return _verified(options.verify, context)
    asked = _asked(options, context)
    journal = Journal(context.home.consent)
    before = _withdrawn_before(asked, journal)
    if before is None and not (asked.documents or asked.records):
        talk = f"nothing is known of {asked.name}. Next: `iaipctl consent report`, or look at the spelling"
        data = {"done": False, "what": asked.what, "name": asked.name}
        return Result(schema=SCHEMA, data=data, text="", talk=talk, code=NOT_FOUND)
    if before is None:
        if not options.yes and not _agreed(told := _foretold(asked, context)):
            talk = "Nothing was changed. Add --yes to do it."
            data = {"done": False, "what": asked.what, "name": asked.name}
            return Result(schema=SCHEMA, data=data, text=told, talk=talk, code=USAGE)
        before = begin(asked, context.home, context.releases, by=getpass.getuser(), now=datetime.now(UTC))
    elif before.lineage_left and not before.open:
        before = start_over(before, context.home, context.releases, datetime.now(UTC))
    return _told(*_finished(before, context), journal)


def _asked(options: argparse.Namespace, context: Context) -> Asked:
    _ = context.books  # raises before `iaipctl init`, which is the better advice then
    if options.document is None:
        what: What = "person" if options.consent is None else "consent"
        name: str = options.person if options.consent is None else options.consent
        return Asked(what=what, name=name, records=records_meant(what, name, context.home.consent))
    collections = context.corpus.collections()
    document = document_meant(options.document, collections, _known(context), Path.cwd())
    if document is None:
        return Asked(what="document", name=options.document)
    known = context.books.knowledge.documents().get(document)
    contents = {content_now(document, collections), known.sha256 if known else None}
    return Asked(
        what="document",
        name=str(document),
        documents=(document,),
        contents=tuple(sorted(content for content in contents if content)),
    )


def _known(context: Context) -> Iterator[DocumentId]:
    """Every document that anything here remembers, the quickest to ask first."""
    yield from context.books.knowledge.documents()
    for one in Journal(context.home.consent).all():
        yield from one.documents
    if context.home.examples_cache.exists():
        with opened(context.home.examples_cache, context.keys) as cache:
            yield from [holding.id for holding in cache.holdings()]
    for record in read_lineage(context.releases).records.values():
        yield from (source.id for source in record.sources)


def _withdrawn_before(asked: Asked, journal: Journal) -> Withdrawal | None:
    """The newest withdrawal of all that is asked; none if there is something new to withdraw."""
    if asked.records:
        return None
    keys = {name_key(document) for document in asked.documents}
    for one in reversed(journal.all()):
        if asked.documents and one.denied and keys <= {name_key(document) for document in one.documents}:
            return one if set(asked.contents) <= set(one.contents) else None
        if not asked.documents and (one.what, one.name) == (asked.what, asked.name):
            return one
    return None


def _foretold(asked: Asked, context: Context) -> str:
    seen = foreseen(asked, context.releases)
    what = f"the document {asked.name}" if asked.what == "document" else f"{len(asked.records)} consents"
    lines = [
        f"withdraws {what}: for good, there is no way back",
        f"stops {len(seen.releases)} releases: {', '.join(seen.releases) or 'none learnt from it'}",
        f"live: {seen.goes_live}" + ("" if seen.goes_live == seen.live else f" (instead of {seen.live})"),
        f"learns anew without it: {', '.join(seen.targets) or 'nothing'}",
        "removes what was made of it: examples, datasets, checkpoints, models, search entries, queries, copies",
        "your notes stay as they are",
    ]
    return "\n".join(lines)


def _agreed(told: str) -> bool:
    if not sys.stdin.isatty():
        return False
    print(told)
    return input("Do it? [y/N] ").strip().casefold() in ("y", "yes", "o", "oui")


def _finished(one: Withdrawal, context: Context) -> tuple[Withdrawal, str]:
    """As far as it came by now, and why it goes on later; by the daemon, or here where there is none."""
    journal = Journal(context.home.consent)
    if context.daemon_pid() is None:
        return _here(one, context)
    deadline = time.monotonic() + WAIT_SECONDS
    while (now := journal.read(one.id)).open and time.monotonic() < deadline:
        time.sleep(0.1)
    return now, "the daemon goes on with the rest by itself"


def _here(one: Withdrawal, context: Context) -> tuple[Withdrawal, str]:
    try:
        with single_daemon(context.home.daemon_lock):
            structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # stdout is data
            books = open_keeping_a_copy(context.home, datetime.now(UTC))
            try:
                reclaim(books, this_process(boot_id()), attended=frozenset, now=datetime.now(UTC))
                sweep(context.home)
                return _withdrawer(books, context).finish(one) if one.open else one, ""
            finally:
                books.database.close()
    except IaipError as error:
        left = Journal(context.home.consent).read(one.id)
        return left, f"{error.message}. Next: {error.remedy}; then the same command, or `iaipd`, goes on"


def _withdrawer(books: Books, context: Context) -> Withdrawer:
    means = Means(books=books, grounds=context.grounds, signer=context.signer, ring=lambda job: None)
    return Withdrawer(means, context.home)


def _told(one: Withdrawal, why_later: str, journal: Journal) -> Result:
    receipt = journal.receipts / f"{one.id}.json"
    lines = [
        f"{one.name} is withdrawn since {one.asked_at:%Y-%m-%d %H:%M} UTC, for good ({one.id})",
        f"stopped: {', '.join(one.releases) or 'no release learnt from it'}; live: {one.live or 'nothing'}",
        f"not finished: {', '.join(one.steps_left())}" if one.open else f"receipt: {receipt.with_suffix('.txt')}",
        *(f"STILL FOUND in {place}" for place in one.found_again),
    ]
    data = {
        "done": not one.open,
        "id": one.id,
        "what": one.what,
        "name": one.name,
        "releases": one.releases,
        "live_before": one.live_before,
        "live": one.live,
        "documents": len(one.documents),
        "counts": one.counts,
        "runs": one.runs,
        "steps_left": one.steps_left(),
        "found_again": one.found_again,
        "receipt": None if one.open else str(receipt),
    }
    talk = why_later if one.open else "Your notes stay as they are. What nobody can undo is in the receipt."
    code = FAILED if one.found_again else DONE
    return Result(schema=SCHEMA, data=data, text="\n".join(lines), talk=talk, code=code)


def _verified(path: Path, context: Context) -> Result:
    found = check(path, context.signer)
    own = context.signer.known() == found.public_key
    data = {"sound": found.sound, "public_key": found.public_key, "of_this_home": own}
    whose = "this home's key" if own else "another home's key: compare it with the one you were told"
    if not found.sound or found.receipt is None:
        return Result(
            schema="iaip.receipt-check/1",
            data=data,
            text="NOT SOUND: it was changed, or never signed like this",
            code=REFUSED,
        )
    lines = [f"sound: signed by {found.public_key} ({whose})", "", *in_words(found.receipt, "en")]
    return Result(schema="iaip.receipt-check/1", data=data, text="\n".join(lines))
