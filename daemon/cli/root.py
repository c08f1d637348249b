"""The command line's composition root: what a command may use, opened when it is first asked for."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.load import load_settings
from config.paths import Home, QmdFiles, qmd_files
from config.settings import Settings
from daemon import spool
from daemon.ledger.books import Books, read_books
from daemon.system.lock import running_pid
from jobs.domain.corpus import DocumentId
from jobs.domain.errors import BadInput
from jobs.ports import Corpus
from jobs.publish import write_file
from jobs.releases import Release, Releases
from launchd.machine import Machine, this_machine

if TYPE_CHECKING:
    from daemon.web.judging import Found
    from jobs.adapters.qmd_index import IndexRows, IndexTotals
    from jobs.consent.labels import Project
    from jobs.dataset.learnt import Inquiry
    from jobs.domain.examples import QuerySet
    from jobs.domain.scan import Known
    from jobs.keys import Keys
    from jobs.withdrawal.clearing import Grounds
    from jobs.withdrawal.receipts import Signer
    from launchd.agent import Agent
    from launchd.program import Program

ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class Context:
    """One call of iaipctl on one home."""

    home: Home
    machine: Machine = field(default_factory=this_machine)

    @cached_property
    def settings(self) -> Settings:
        return load_settings(self.home.config_file)

    def nothing_yet(self) -> BadInput:
        """For a home that is not set up, or not there although an agent was installed for it."""
        if not self.home.root.exists() and self.agent.serves():
            return BadInput(
                f"{self.home.root} is not there, although an agent is installed for it: is its volume not mounted?",
                remedy="mount it, then `iaipctl start`; if you removed it, `iaipctl uninstall` ends the agent too",
            )
        return BadInput(f"there is nothing at {self.home.root} yet", remedy="run `iaipctl init` first")

    @cached_property
    def books(self) -> Books:
        """To read, with the daemon up or down. Raises BadInput before ``iaipctl init``."""
        if not self.home.ledger.exists():
            raise self.nothing_yet()
        return read_books(self.home.ledger)

    @cached_property
    def releases(self) -> Releases:
        def may(release: Release) -> bool:
            from jobs.dataset.learnt import may_go_live

            return may_go_live(self.inquiry())(release)

        return Releases(self.home.releases, _merged, may)

    @cached_property
    def keys(self) -> Keys:
        """The consents' keys. Nothing is read, and no cipher loaded, before one is asked for."""
        from jobs.adapters.aead import AesGcm
        from jobs.adapters.macos_keychain import keychain_here
        from jobs.keys import Keys

        return Keys(self.home.keys, AesGcm(), keychain_here())

    @cached_property
    def signer(self) -> Signer:
        """What signs in this home's name."""
        from jobs.adapters.ed25519 import Ed25519Signer

        return Ed25519Signer(self.home.signing_key)

    def grounds(self) -> Grounds:
        """Where a withdrawal clears, as it is now."""
        from jobs.adapters import qmd_forget
        from jobs.withdrawal.clearing import Grounds

        return Grounds(
            home=self.home,
            settings=self.settings,
            releases=self.releases,
            corpus=self._corpus_now(),
            indexes=qmd_forget,
            keys=self.keys,
        )

    @cached_property
    def corpus(self) -> Corpus:
        """The notes as the live configuration has them. Raises BadInput before ``iaipctl init``."""
        return self._corpus_now()

    def _corpus_now(self) -> Corpus:
        from jobs.adapters.markdown_folders import MarkdownFolders
        from jobs.adapters.qmd_config import read_collections

        if not self.releases.current.is_symlink():
            raise self.nothing_yet()
        collections = read_collections(self.releases.current / "qmd" / "index.yml")
        return MarkdownFolders(collections, self.settings.watch.largest_document)

    def index_rows(self, index: Path, documents: Iterable[DocumentId], texts: Iterable[str]) -> IndexRows:
        """What a release's search index has of some documents and texts."""
        from jobs.adapters.qmd_index import index_rows

        return index_rows(index, documents, texts)

    def index_totals(self, index: Path) -> IndexTotals:
        from jobs.adapters.qmd_index import index_totals

        return index_totals(index)

    def documents(self) -> list[DocumentId]:
        """Every note that is there now, whether or not the daemon has seen it."""
        return [document for document, _ in self.listing()]

    def listing(self) -> list[tuple[DocumentId, str]]:
        """The same with the SHA-256 of each."""
        return self._listed(self.books.knowledge.documents())

    def inquiry(self) -> Inquiry:
        """What tells whether a release may go live. Where the ledger cannot say which notes changed, all are read."""
        from jobs.dataset.learnt import Inquiry

        def today() -> dict[DocumentId, str]:
            try:
                known = self.books.knowledge.documents()
            except BadInput:
                known = {}
            return dict(self._listed(known))

        return Inquiry(home=self.home, settings=lambda: self.settings, corpus=lambda: self.corpus, today=today)

    def held_out(self, dataset: str) -> tuple[QuerySet, ...]:
        """The judged queries that a dataset holds; none if it is gone, or its key is."""
        from daemon.web.reading import held_out_in
        from jobs.sealing import Sealing

        def lines(path: Path) -> list[bytes]:
            return Sealing(self.keys).opened(path.read_bytes()).splitlines(keepends=True)

        return held_out_in(self.home.datasets, lines)(dataset)

    def _listed(self, known: Mapping[DocumentId, Known]) -> list[tuple[DocumentId, str]]:
        from jobs.adapters.markdown_folders import scan

        largest = self.settings.watch.largest_document
        found = scan(self.corpus.collections(), known, largest=largest, now_ns=time.time_ns())
        return sorted((seen.id, seen.known.sha256) for seen in found.documents)

    @contextmanager
    def live_search(self) -> Iterator[Callable[[str], tuple[Found, ...]]]:
        """Asks real QMD on a copy of the live index: by keywords, and by the owner's whole search without a reranker.

        Raises ToolFailed or BadInput, also when it is asked, if a model or QMD itself is not here.
        """
        from daemon.cli.live_search import opened

        live = self.releases.current
        if not live.is_symlink():
            raise self.nothing_yet()
        with opened(live, self.home.stages, self.settings.qmd) as find:
            yield find

    @cached_property
    def qmd_files(self) -> QmdFiles:
        """The settings' places, else where QMD itself looks."""
        found = qmd_files(os.environ)
        chosen = self.settings.qmd
        return QmdFiles(
            config=Path(chosen.config).expanduser() if chosen.config else found.config,
            index=Path(chosen.index).expanduser() if chosen.index else found.index,
        )

    @cached_property
    def agent(self) -> Agent:
        """How this system starts the daemon."""
        from launchd.choose import agent_of

        return agent_of(self.machine, self.home, write_file)

    @cached_property
    def program(self) -> Program:
        from launchd.program import Program

        return Program(self.home, write_file)

    def daemon_pid(self) -> int | None:
        return running_pid(self.home.daemon_lock)

    def ask(self, action: str, argument: dict[str, Any], *, seconds: float = ANSWER_SECONDS) -> dict[str, Any] | None:
        """The daemon's answer; none when it is down: the request then waits for it."""
        books = self.books
        key = self.tell(action, argument)
        deadline = time.monotonic() + (seconds if self.daemon_pid() is not None else 0.0)
        while time.monotonic() < deadline:
            if (answer := books.requests.answer(key)) is not None:
                return answer
            time.sleep(0.05)
        return None

    def tell(self, action: str, argument: dict[str, Any]) -> str:
        """Leaves a request for the daemon, now or when it starts, and returns its key. Needs no ledger."""
        return spool.put(self.home.requests, action, argument)


def labels_of(path: Path) -> Project:
    """A Local Contexts project as exported. Raises BadInput."""
    from jobs.adapters.local_contexts import read_project

    return read_project(path)


def template_of(name: str, home: Home) -> tuple[bytes, str]:
    """A fetched base's chat template and its digest. Raises BadInput."""
    from jobs.adapters import chat_templates

    directory = home.base_models / name
    text, digest = chat_templates.template_of(directory), chat_templates.template_digest(directory)
    if text is None or digest is None:
        raise BadInput(f"there is no chat template of {name} here", remedy="`iaipctl models` lists what there is")
    return text, digest


def confirm_template(name: str, digits: str, home: Home) -> str:
    """Pins it; returns its digest. Raises BadInput."""
    from jobs.adapters.chat_templates import confirm

    return confirm(name, digits, home.base_models)


def _merged(live: str, other: str) -> str:
    from jobs.adapters.qmd_config import with_collections_of  # YAML is for the commands that switch, not for `status`

    return with_collections_of(live, other)
