"""A home in use: notes that are edited, a daemon and its workers that are killed, releases to go back to."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psutil

from config.load import load_settings
from config.paths import Home
from daemon.ledger.books import Books, read_books
from jobs.adapters.qmd_command import QmdCommand
from jobs.adapters.qmd_config import with_collections_of
from jobs.adapters.qmd_process import QmdTools
from jobs.domain.artifacts import ReleaseMetadata
from jobs.index_file import copy_index
from jobs.release_publishing import publish_release
from jobs.releases import Releases

SETTINGS = """
[watch]
quiet = 0.2
at_most = 1.0
[dataset]
minimum_pairs = 20
most_test_queries = 20
test_share = 0.4
[schedule]
new_pairs = 1000000
new_expansions = 1000000
[embedding]
epochs = 1
batch_size = 8
max_tokens = 32
checkpoint_steps = 2
average_weights = [1.0]
"""
THINGS = ("canoe", "snowshoe", "smokehouse", "sawmill", "library", "orchard")
PLACES = ("north shore", "river mouth", "old village", "winter camp", "east ridge")


class House:
    """``search``: with QMD, a model and an index it made; else the index is one of ours that only answers."""

    def __init__(self, folder: Path, *, search: bool) -> None:
        self.folder = folder
        self.home = Home(root=folder / "home")
        self.notes = folder / "notes"
        self.environment = {
            **os.environ,
            "IAIP_HOME": str(self.home.root),
            "QMD_CONFIG_DIR": str(folder / "qmd"),
            "INDEX_PATH": str(folder / "qmd" / "index.sqlite"),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }
        self.home.root.mkdir(parents=True)
        self.home.config_file.write_text(SETTINGS)
        self._write_notes()
        self._bring_search(search)
        self.types("init")
        self.types("consent", "classify", "notes", "--as", "public", "--yes")
        self.releases = Releases(self.home.releases, with_collections_of, lambda _: True)
        self._publish_copies()
        self.books: Books = read_books(self.home.ledger)
        self.starts = 0
        self.start()

    def _write_notes(self) -> None:
        self.notes.mkdir()
        chance = random.Random(7)
        for thing in THINGS:
            for place in PLACES:
                self.write_note(f"{thing}-{place.replace(' ', '-')}.md", thing, place, chance)

    def write_note(self, name: str, thing: str, place: str, chance: random.Random) -> None:
        words = [f"{a}{b}" for a in ("bir", "ced", "mar", "tol", "wen") for b in ("ka", "lin", "dor", "mu", "ten")]
        sections = "".join(
            f"\n## {matter.capitalize()} of the {thing} at the {place}\n\n"
            f"The {thing} near {place} concerns {' '.join(chance.choices(words, k=20))} and {matter}.\n"
            for matter in ("repairs", "history", "costs")
        )
        stage = self.folder / f"{name}.part"
        stage.write_text(f"# The {thing} at the {place}\n\nAbout {thing} and {place}.\n{sections}")
        stage.replace(self.notes / name)

    def edit(self, chance: random.Random) -> None:
        """As an editor does: one note is written anew, sometimes one appears or goes."""
        present = sorted(path.name for path in self.notes.iterdir())
        what = chance.random()
        if what < 0.1 and len(present) > 20:
            (self.notes / chance.choice(present)).unlink()
            return
        name = f"new-{chance.randrange(10**6)}.md" if what < 0.3 else chance.choice(present)
        self.write_note(name, chance.choice(THINGS), chance.choice(PLACES), chance)

    def _bring_search(self, search: bool) -> None:
        (self.folder / "qmd").mkdir()
        models = ""
        if search:
            gguf = self.types("models", "gguf", "all-minilm-l6-v2", str(self.folder / "models"))
            models = f"models:\n  embed: {gguf}\n"
        else:
            with closing(sqlite3.connect(self.folder / "qmd" / "index.sqlite")) as index:
                index.execute("CREATE TABLE documents (hash)")
                index.commit()
        text = f"collections:\n  notes:\n    path: {self.notes}\n    pattern: '**/*.md'\n{models}"
        (self.folder / "qmd" / "index.yml").write_text(text)
        if search:
            self._index()

    def _index(self) -> None:
        """As its owner would: `qmd update`, then `qmd embed`."""
        tools = QmdTools.find(load_settings(self.home.config_file).qmd)
        command = QmdCommand(tools, self.folder / "qmd" / "index.yml", self.folder / "qmd" / "index.sqlite")
        command.update()
        command.embed()

    def _publish_copies(self) -> None:
        """Two releases that are the first under other names, so that there is something to switch between."""
        first = self.releases.release("v0")
        for name in ("v1", "v2"):
            metadata = ReleaseMetadata(name=name, created_at=datetime.now(UTC), targets=first.metadata.targets)
            text = (first.directory / "qmd" / "index.yml").read_text("utf-8")
            index = first.directory / "index" / "index.sqlite"
            publish_release(self.releases, metadata, text, lambda path, index=index: copy_index(index, path))  # type: ignore[misc]
            self.releases.switch(name)
            self.releases.confirm(name)

    def types(self, *words: str) -> str:
        done = subprocess.run(
            self._command(words), env=self.environment, capture_output=True, text=True, timeout=1200, check=False
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout.strip()

    def asks(self, *words: str) -> None:
        """Whether it is granted or refused is the daemon's to say."""
        subprocess.run(self._command(words), env=self.environment, capture_output=True, timeout=300, check=False)

    @staticmethod
    def _command(words: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "daemon.cli", *words]

    def types_and_is_killed(self, seconds: float, *words: str) -> bool:
        """A command that is killed after ``seconds``, unless it was quicker. True: it was killed."""
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(self._command(words), env=self.environment, stdout=quiet, stderr=quiet)
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return True
        return False

    def start(self) -> None:
        self.starts += 1
        self.started = time.monotonic()
        with (self.folder / "iaipd.log").open("ab") as log:
            command = [sys.executable, "-m", "daemon"]
            self.daemon = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)

    def kill_daemon(self) -> None:
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait()

    def workers(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.daemon.pid).children()
        except psutil.NoSuchProcess:
            return []

    def stop(self) -> int:
        self.daemon.terminate()
        return self.daemon.wait(timeout=90)
