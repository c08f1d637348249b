"""What the daemon's parts ask of the disk: looked up anew each time, because the owner changes it meanwhile."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from config.paths import Home
from config.settings import Settings
from daemon.answers import Answers
from daemon.installed import installed
from daemon.ledger.books import Books
from jobs.adapters import qmd_forget
from jobs.adapters.aead import AesGcm
from jobs.adapters.macos_keychain import keychain_here
from jobs.adapters.markdown_folders import MarkdownFolders, scan
from jobs.adapters.qmd_config import read_collections
from jobs.dataset.permission import every_note_is_public
from jobs.dataset.refresh import note_moves
from jobs.domain.corpus import Collection, DocumentId
from jobs.domain.scan import Known, Scan
from jobs.keys import Keys
from jobs.ports import Corpus
from jobs.releases import Releases
from jobs.sealing import Sealing
from jobs.withdrawal.clearing import Grounds


def collections_of(home: Home) -> Sequence[Collection]:
    """The live configuration's."""
    return read_collections(home.releases / "current" / "qmd" / "index.yml")


def corpus_of(home: Home, settings: Settings) -> Corpus:
    return MarkdownFolders(collections_of(home), settings.watch.largest_document)


def keys_of(home: Home) -> Keys:
    """Opened for each use: the daemon holds none."""
    return Keys(home.keys, AesGcm(), keychain_here())


@dataclass(frozen=True)
class Eyes:
    """Given to the parts method by method."""

    home: Home
    settings: Settings
    books: Books
    releases: Releases

    def collections(self) -> Sequence[Collection]:
        return collections_of(self.home)

    def corpus(self) -> Corpus:
        return corpus_of(self.home, self.settings)

    def look_through(self, known_to: Sequence[Collection], known: Mapping[DocumentId, Known]) -> Scan:
        return scan(known_to, known, largest=self.settings.watch.largest_document, now_ns=time.time_ns())

    def may_do_without_sandbox(self) -> bool:
        if self.settings.confinement.where_none != "all-public":
            return False
        here = list(self.books.knowledge.documents())
        note_moves(self.collections(), here, self.home, keys_of(self.home))
        return every_note_is_public(self.corpus(), here, self.home, self.settings, datetime.now(UTC))

    def lines(self, path: Path) -> list[bytes]:
        """A dataset's rows, opened if they are sealed. Raises as ``Sealing.opened``."""
        return Sealing(keys_of(self.home)).opened(path.read_bytes()).splitlines(keepends=True)

    def answers(self) -> Answers:
        return Answers(
            home=self.home.root,
            releases=self.releases,
            collections=self.collections,
            started_at=datetime.now(UTC),
            installed=lambda: installed(self.home, self.settings),
        )

    def grounds(self) -> Grounds:
        return Grounds(
            home=self.home,
            settings=self.settings,
            releases=self.releases,
            corpus=self.corpus(),
            indexes=qmd_forget,
            keys=keys_of(self.home),
        )
