"""The command line's composition root: what a command may use, opened when it is first asked for."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.load import load_settings
from config.paths import Home, QmdFiles, qmd_files
from config.settings import Settings
from daemon.ledger.books import Books, open_books
from daemon.system.lock import running_pid
from jobs.domain.corpus import DocumentId
from jobs.domain.errors import BadInput
from jobs.ports import Corpus
from jobs.releases import Releases

if TYPE_CHECKING:
    from jobs.consent.labels import Project

ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class Context:
    """One call of iaipctl on one home."""

    home: Home

    @cached_property
    def settings(self) -> Settings:
        return load_settings(self.home.config_file)

    @cached_property
    def books(self) -> Books:
        """Raises BadInput before ``iaipctl init``."""
        if not self.home.ledger.exists():
            raise BadInput(f"there is nothing at {self.home.root} yet", remedy="run `iaipctl init` first")
        return open_books(self.home.ledger)

    @cached_property
    def releases(self) -> Releases:
        return Releases(self.home.releases, _merged)

    @cached_property
    def corpus(self) -> Corpus:
        """The notes as the live configuration has them. Raises BadInput before ``iaipctl init``."""
        from jobs.adapters.markdown_folders import MarkdownFolders
        from jobs.adapters.qmd_config import read_collections

        if not self.releases.current.is_symlink():
            raise BadInput(f"there is nothing at {self.home.root} yet", remedy="run `iaipctl init` first")
        collections = read_collections(self.releases.current / "qmd" / "index.yml")
        return MarkdownFolders(collections, self.settings.watch.largest_document)

    def documents(self) -> list[DocumentId]:
        """Every note that is there now, whether or not the daemon has seen it."""
        from jobs.adapters.markdown_folders import scan

        known = self.books.knowledge.documents()
        largest = self.settings.watch.largest_document
        found = scan(self.corpus.collections(), known, largest=largest, now_ns=time.time_ns())
        return sorted(seen.id for seen in found.documents)

    @cached_property
    def qmd_files(self) -> QmdFiles:
        """The settings' places, else where QMD itself looks."""
        found = qmd_files(os.environ)
        chosen = self.settings.qmd
        return QmdFiles(
            config=Path(chosen.config).expanduser() if chosen.config else found.config,
            index=Path(chosen.index).expanduser() if chosen.index else found.index,
        )

    def daemon_pid(self) -> int | None:
        return running_pid(self.home.daemon_lock)

    def ask(self, action: str, argument: dict[str, Any]) -> dict[str, Any] | None:
        """The daemon's answer; none when it is down: the request then waits for it."""
        request = self.books.requests.put(action, argument, datetime.now(UTC))
        deadline = time.monotonic() + (ANSWER_SECONDS if self.daemon_pid() is not None else 0.0)
        while time.monotonic() < deadline:
            if (answer := self.books.requests.answer(request)) is not None:
                return answer
            time.sleep(0.05)
        return None


def labels_of(path: Path) -> Project:
    """A Local Contexts project as exported. Raises BadInput."""
    from jobs.adapters.local_contexts import read_project

    return read_project(path)


def _merged(live: str, other: str) -> str:
    from jobs.adapters.qmd_config import with_collections_of  # YAML is for the commands that switch, not for `status`

    return with_collections_of(live, other)
