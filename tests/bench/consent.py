"""What the consent gates cost beside the dataset they guard, and before a switch, under a steward's whole policy."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from config.load import load_settings
from config.paths import Home
from config.settings import Settings
from jobs.adapters.markdown_folders import MarkdownFolders, scan
from jobs.consent.front_matter import RaisingWords, note_said, read_front_matter
from jobs.consent.terms import in_force
from jobs.dataset.permission import denied_of
from jobs.dataset.refresh import Inputs, refresh
from jobs.domain.consent import Rulings
from jobs.domain.corpus import Collection, DocumentId
from jobs.domain.lineage import Provenance, Source
from jobs.domain.scan import Known
from jobs.locks import PATIENCE_SECONDS
from tests.bench.dataset import write_notes
from tests.bench.measure import Row
from tests.house import keys_of
from tests.unit.dataset.sample import write_consent, write_policy

SHARE = 0.02
SWITCH_SECONDS = 1.0
FOLDERS = [f"{number:02d}" for number in range(100)]
RECORD = """schema = "iaip.consent/1"
holder = "Family {number}"
kind = "community"
contact = "the band office"
language = "en"
agreed = 2026-01-01
[[grant]]
uses = ["embed", "expand", "evaluate"]
folders = ["bench/{folder}"]
"""


def measure(folder: Path, notes: int) -> list[Row]:
    """The gate reads what is in force, looks for words in every note and rules on what it says. Its front matter is
    read for the examples anyway (title, aliases, tags)."""
    home, settings, collections = _settled(folder, notes)
    corpus = MarkdownFolders(collections, settings.watch.largest_document)
    known = _scanned(collections, settings, {})
    listing = [(document, seen.sha256) for document, seen in known.items()]
    began = time.perf_counter()
    inputs = Inputs(corpus=corpus, documents=listing, home=home, settings=settings, keys=keys_of(home))
    refresh(inputs, lambda done, total: None)
    whole = time.perf_counter() - began
    texts = [(document, corpus.read(document).text) for document, _ in listing]
    marked = [(document, text, read_front_matter(text)[0]) for document, text in texts]
    began = time.perf_counter()
    terms = in_force(home, settings, collections, [document for document, _ in texts], datetime.now(UTC)).terms
    raising = RaisingWords(terms.words)
    said = [(document, note_said(front_matter, text, raising)) for document, text, front_matter in marked]
    reading = time.perf_counter()
    rulings = Rulings(terms)
    allowed = sum(bool(rulings.of(document, note).uses) for document, note in said)
    ended = time.perf_counter()
    assert allowed == notes
    share = "as a share of making their examples"
    sources = tuple(
        Source(id=document, sha256=note.sha256, classification="community", uses=("embed",), said=note)
        for document, note in said
    )
    record = Provenance(
        target="embedding", run=1, model="", dataset="", merkle_root="", examples=0, consent=terms.revision,
        reading=terms.reading, query_sets=(), sources=sources,
    )  # fmt: skip
    return [
        Row(name=f"consent read and ruled on {notes} notes, {share}", value=(ended - began) / whole, unit="",
            goal=SHARE, better="lower"),
        Row(name=f"of that ruling alone, {share}", value=(ended - reading) / whole, unit="", goal=SHARE,
            better="lower"),
        _gate("deploy", record, corpus, home, settings, None),
        _gate("rollback", record, corpus, home, settings, known),
    ]  # fmt: skip


def _settled(folder: Path, notes: int) -> tuple[Home, Settings, list[Collection]]:
    """Two dozen records, rules and folder policies each, and three dozen words; every note may be used."""
    place, home = write_notes(folder, notes), Home(root=folder / "home")
    rules = [f'[[rule]]\nplace = "bench/{name}"\nclassification = "community"\n' for name in FOLDERS[:24]]
    words = [f'"{sha256(str(number).encode()).hexdigest()[:9]} lodge"' for number in range(36)]
    raised = f'[[raise]]\nwords = [{", ".join(words)}]\nclassification = "sacred"\n'
    write_policy(home, "\n".join(['[[rule]]\nplace = "bench"\nclassification = "public"\n', *rules, raised]))
    for number, name in enumerate(FOLDERS[:24]):
        write_consent(home, f"family-{number}.toml", RECORD.format(number=number, folder=name))
    for name in FOLDERS[24:48]:
        (place / name / ".iaip.toml").write_text('attribution = "The families of the lake"\n', "utf-8")
    return home, load_settings(home.config_file), [Collection(name="bench", path=str(place))]


def _scanned(
    collections: list[Collection], settings: Settings, known: dict[DocumentId, Known]
) -> dict[DocumentId, Known]:
    # An hour ahead, so that no note counts as written just now.
    now = time.time_ns() + 3600 * 10**9
    seen = scan(collections, known, largest=settings.watch.largest_document, now_ns=now)
    return {document.id: document.known for document in seen.documents}


def _gate(
    what: str,
    record: Provenance,
    corpus: MarkdownFolders,
    home: Home,
    settings: Settings,
    known: dict[DocumentId, Known] | None,
) -> Row:
    """Consent is held still meanwhile, and others wait for it no longer than ``PATIENCE_SECONDS``.

    ``known``: as the ledger knows the notes, so that none that did not change need be read for its front matter."""
    began = time.perf_counter()
    now = _scanned(list(corpus.collections()), settings, known) if known is not None else {}
    denied = denied_of([record], corpus, home, settings, {document: one.sha256 for document, one in now.items()})
    took = time.perf_counter() - began
    assert denied == {}
    goal = SWITCH_SECONDS if known is not None else PATIENCE_SECONDS
    return Row(name=f"consent asked of {len(record.sources)} notes before a {what}", value=took, unit="s", goal=goal,
               better="lower")  # fmt: skip
