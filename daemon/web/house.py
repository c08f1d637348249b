"""What the page speaks of: one home, as the daemon has it open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from config.paths import Home
from config.settings import Settings
from daemon.ledger.books import Books
from jobs.dataset.proposals import Lines
from jobs.ports import Corpus
from jobs.releases import Releases


@dataclass(frozen=True, kw_only=True)
class House:
    """``corpus`` opens the notes as the live configuration has them now, ``lines`` reads a dataset's file."""

    books: Books
    home: Home
    releases: Releases
    settings: Settings
    corpus: Callable[[], Corpus]
    lines: Lines
