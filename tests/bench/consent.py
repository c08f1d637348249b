"""What the consent gates cost beside the dataset they guard."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from config.load import load_settings
from config.paths import Home
from jobs.adapters.markdown_folders import MarkdownFolders, scan
from jobs.consent.front_matter import RaisingWords, note_said, read_front_matter
from jobs.consent.terms import in_force
from jobs.dataset.refresh import refresh
from jobs.domain.consent import NoteSaid, ruling
from jobs.domain.corpus import Collection, DocumentId
from tests.bench.dataset import write_notes
from tests.bench.measure import Row
from tests.house import keys_of
from tests.unit.dataset.sample import classify

SHARE = 0.02


def measure(folder: Path, notes: int) -> list[Row]:
    """Seconds to read what is in force and rule on every note, as a share of making their examples."""
    collections = [Collection(name="bench", path=str(write_notes(folder, notes)))]
    home = Home(root=folder / "home")
    classify(home, bench="public")
    settings = load_settings(home.config_file)
    corpus = MarkdownFolders(collections, settings.watch.largest_document)
    seen = scan(collections, {}, largest=settings.watch.largest_document, now_ns=time.time_ns() + 3600 * 10**9)
    listing = [(document.id, document.known.sha256) for document in seen.documents]
    began = time.perf_counter()
    refresh(corpus, listing, home, settings, lambda done, total: None, keys_of(home))
    whole = time.perf_counter() - began
    said = {document: _said(corpus, document) for document, _ in listing}
    began = time.perf_counter()
    terms = in_force(home, settings, collections, list(said), datetime.now(UTC)).terms
    allowed = sum(bool(ruling(document, note, terms).uses) for document, note in said.items())
    gate = time.perf_counter() - began
    assert allowed == notes
    name = f"consent ruled on {notes} notes, as a share of making their examples"
    return [Row(name=name, value=gate / whole, unit="", goal=SHARE, better="lower")]


def _said(corpus: MarkdownFolders, document: DocumentId) -> NoteSaid:
    text = corpus.read(document).text
    return note_said(read_front_matter(text)[0], text, RaisingWords(()))
