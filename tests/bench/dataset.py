"""How much faster one changed note is than a full build of the examples."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import msgspec
from msgspec import Struct

from config.load import load_settings
from config.paths import Home
from daemon.ledger.books import read_books
from jobs.adapters.markdown_folders import MarkdownFolders, scan
from jobs.adapters.token_counter import token_counter
from jobs.dataset.refresh import Inputs, Refreshed, refresh
from jobs.domain.corpus import Collection, DocumentId
from jobs.domain.scan import Known
from tests.bench.adopted import adopt, type_command
from tests.house import keys_of
from tests.unit.dataset.sample import classify

_QUIET = 1.0  # longer than the watcher sleeps, as any real one is
_EDITS, _BETWEEN = 5, 3.0
_FOLLOWS_ONLY = f"""
[watch]
quiet = {_QUIET}
[schedule]
new_pairs = 1000000000
new_expansions = 1000000000
"""
_SECTIONS = 4
_SENTENCES = 5
_SYLLABLES = "ka ro mi ten sol var det lum pir gan nor eth ula bri cos fen dal wex yor zin".split()


class Incremental(Struct, frozen=True, kw_only=True):
    """Seconds of a scan with its refresh: from nothing, and after one note of them changed."""

    notes: int
    full: float
    one: float
    pairs: int
    expansions: int

    @property
    def ratio(self) -> float:
        return self.full / self.one


def measure_incremental(folder: Path, notes: int) -> Incremental:
    """Writes ``notes`` notes of some 2 KB under ``folder`` (which must not have any yet) and measures."""
    place = write_notes(folder, notes)
    collections = [Collection(name="bench", path=str(place))]
    corpus = MarkdownFolders(collections, largest=5_000_000)
    home = Home(root=folder / "home")
    classify(home, bench="public")
    known, full, found = _timed(corpus, collections, home, {})
    (place / "00" / "0.md").write_text(_note(notes + 1), "utf-8")
    _, one, after = _timed(corpus, collections, home, known)
    assert (found.regenerated, after.regenerated) == (notes, 1)
    return Incremental(notes=notes, full=full, one=one, pairs=after.pairs, expansions=after.expansions)


def measure_through_daemon(folder: Path, notes: int) -> Incremental:
    """The same, from a save on disk to the end of the dataset job, by the daemon and a worker process for each job."""
    place = write_notes(folder, notes)
    environment = adopt(folder)
    home = Home(root=Path(environment["IAIP_HOME"]))
    home.config_file.write_text(_FOLLOWS_ONLY, "utf-8")
    type_command(environment, "consent", "classify", "notes", "--as", "public", "--yes")
    began = time.perf_counter()
    daemon = subprocess.Popen([sys.executable, "-m", "daemon"], env=environment, stderr=subprocess.DEVNULL)
    try:
        built = _await_examples(home, notes, times=1)
        full, edits = time.perf_counter() - began, []
        for edit in range(1, _EDITS + 1):
            time.sleep(_BETWEEN)
            began = time.perf_counter()
            (place / "00" / "0.md").write_text(_note(notes + edit), "utf-8")
            after = _await_examples(home, 1, times=edit)
            edits.append(time.perf_counter() - began - _QUIET)
    finally:
        daemon.terminate()
        daemon.wait(timeout=60)
    return Incremental(notes=notes, full=full, one=median(edits), pairs=after.pairs, expansions=built.expansions)


def _await_examples(home: Home, regenerated: int, times: int) -> Refreshed:
    """Until so many refreshes have made the examples of so many notes anew."""
    deadline = time.monotonic() + 600.0
    while not home.ledger.exists():
        time.sleep(0.02)
    books = read_books(home.ledger)  # once: opening it again and again would take its time from the daemon's
    while time.monotonic() < deadline:
        rows = books.database.rows("SELECT result FROM job WHERE state = 'done'")
        found = [msgspec.json.decode(row["result"], type=Refreshed) for row in rows]
        if len(fitting := [one for one in found if one.regenerated == regenerated]) == times:
            return fitting[-1]
        time.sleep(0.02)
    raise TimeoutError(f"the examples of {regenerated} notes were never made")


def write_notes(folder: Path, notes: int) -> Path:
    """So many notes, each with its own words, in a hundred folders of ``folder/notes``."""
    place = folder / "notes"
    for number in range(notes):
        path = place / f"{number % 100:02d}" / f"{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_note(number), "utf-8")
    return place


def _timed(
    corpus: MarkdownFolders, collections: list[Collection], home: Home, known: dict[DocumentId, Known]
) -> tuple[dict[DocumentId, Known], float, Refreshed]:
    settings = load_settings(home.config_file)
    started = time.perf_counter()
    # An hour ahead, so that no note counts as written just now.
    seen = scan(collections, known, largest=settings.watch.largest_document, now_ns=time.time_ns() + 3600 * 10**9)
    listing = [(document.id, document.known.sha256) for document in seen.documents]
    tokens = token_counter(home.base_models, settings.embedding.base)
    inputs = Inputs(corpus=corpus, documents=listing, home=home, settings=settings, keys=keys_of(home), tokens=tokens)
    refreshed = refresh(inputs, lambda done, total: None)
    return {document.id: document.known for document in seen.documents}, time.perf_counter() - started, refreshed


def _note(number: int) -> str:
    chance = random.Random(number)
    subject = f"{_word(chance).title()} {_word(chance)}"
    parts = [f"---\ntags: [{_word(chance)}]\n---\n# {subject}\n\n{_prose(chance, subject)}\n"]
    for _ in range(_SECTIONS):
        heading = f"{_word(chance).title()} of the {_word(chance)}"
        parts.append(f"## {heading}\n\n{_prose(chance, heading)}\n")
    return "\n".join(parts)


def _prose(chance: random.Random, about: str) -> str:
    other = _word(chance)
    sentences = []
    for _ in range(_SENTENCES):
        words = " ".join(chance.choice(["the", "of", "and", other, about]) for _ in range(4))
        sentences.append(f"The {about} is known for its {_word(chance)} and for {words}.")
    return " ".join(sentences)


def _word(chance: random.Random) -> str:
    return "".join(chance.choice(_SYLLABLES) for _ in range(3))
