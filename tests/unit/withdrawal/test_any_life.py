"""Whatever happens in whatever order: nothing that is live or reachable derives from what was taken back.

Consent, datasets, deployment, rollback and withdrawal are the real ones; training alone is not.
"""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from daemon.cli.root import Context
from daemon.ledger.books import open_books
from daemon.withdrawals import Means, Withdrawer
from jobs.consent.book import ConsentBook
from jobs.consent.front_matter import RaisingWords, note_said, read_front_matter
from jobs.consent.terms import in_force
from jobs.dataset import learnt
from jobs.domain.consent import NoteSaid, Terms, ruling
from jobs.domain.corpus import DocumentId
from jobs.domain.errors import BadInput, Refused
from jobs.domain.examples import Target
from jobs.domain.withdrawal import Withdrawal
from jobs.withdrawal.asking import Asked, content_now, records_meant
from jobs.withdrawal.stopping import begin
from tests.learnt import Learnt, document
from tests.qmd_index import write_index

FOLDERS = ("open", "elders", "Aînés")
NOTES = tuple(f"{folder}/{number}.md" for folder in FOLDERS for number in range(3))
CLASSES = st.sampled_from(["public", "personal", "community", "community", "sacred"])
RECORDS: dict[str, str] = {"ada": "person", "council": "community"}


class House(Learnt):
    def write_index(self, path: Path) -> None:
        write_index(path, self.notes)


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="life-")).resolve()
        self.house = House(self.folder)
        self.books = open_books(self.house.home.ledger)
        self.withdrawn: list[DocumentId] = []
        self.contents: set[str] = set()
        self.ended: set[str] = set()
        self.unfinished: list[Withdrawal] = []
        self.agreements = 0

    def teardown(self) -> None:
        self.books.database.close()
        shutil.rmtree(self.folder)

    @initialize(classes=st.tuples(st.just("public"), CLASSES, CLASSES))
    def settles(self, classes: tuple[str, ...]) -> None:
        self.house.write("open/always.md", *NOTES)
        self.house.classify(**{f"notes__{folder}": word for folder, word in zip(FOLDERS, classes, strict=True)})
        for name in RECORDS:
            self.agrees(name, over=False)
        self.learns("embedding")

    @rule(model=st.sampled_from(["embedding", "expansion"]))
    def learns(self, model: Target) -> None:
        """What goes live by a deployment learnt from nothing that is denied at that moment."""
        before = self.house.releases.live()
        self.house.deployed(model)
        now = str(self.house.releases.live())
        if now != before:
            assert self.denied_in(now) == set(), f"{now} was deployed"

    @rule(folder=st.sampled_from(FOLDERS), word=CLASSES | st.just("sacred"))
    def is_called(self, folder: str, word: str) -> None:
        text = (self.house.home.consent / "policy.toml").read_text("utf-8")
        former = text.split(f'place = "notes/{folder}"\n')
        self.house.policy(f'place = "notes/{folder}"\n'.join([former[0], _first_line(word) + _rest(former[1])]))

    @rule(path=st.sampled_from(NOTES), word=st.sampled_from(["sacred", "exclude", "personal"]))
    def says_itself(self, path: str, word: str) -> None:
        place = self.house.notes / path
        if place.exists() and not place.read_text("utf-8").startswith("---"):
            place.write_text(f"---\niaip: {word}\n---\n" + place.read_text("utf-8"), "utf-8")

    @rule(path=st.sampled_from(NOTES), to=st.sampled_from([*FOLDERS, ""]))
    def moves(self, path: str, to: str) -> None:
        """To another folder, or out of the notes."""
        place = self.house.notes / path
        if place.exists():
            place.rename(self.house.notes / to / f"moved-{place.name}" if to else self.folder / place.name)

    @rule(name=st.sampled_from(list(RECORDS)), over=st.booleans())
    def agrees(self, name: str, over: bool) -> None:
        """In words that were never said before; or to something that is over."""
        self.agreements += 1
        until = "2020-01-01" if over else f"2099-01-{self.agreements % 28 + 1:02d}"
        condition = f"until = {until}\n# {self.agreements}\n"
        self.house.consent(name, RECORDS[name], "notes", condition=condition)

    @rule(name=st.sampled_from([None, "v0", "v1", "v2", "v3"]))
    def rolls_back(self, name: str | None) -> None:
        context = Context(self.house.home)
        try:
            now = learnt.roll_back(context.releases, name, context.inquiry())
        except (Refused, BadInput):
            return
        assert now == self.house.releases.live()

    @rule(path=st.sampled_from(NOTES))
    def takes_back_a_note(self, path: str) -> None:
        meant = document(path)
        content = content_now(meant, self.house.workshop().corpus.collections())
        contents = (content,) if content else ()
        self.withdrawn.append(meant)
        self.contents.update(contents)
        self._begin(Asked(what="document", name=path, documents=(meant,), contents=contents))

    @rule(name=st.sampled_from(list(RECORDS)))
    def ends_a_consent(self, name: str) -> None:
        chain = ConsentBook(self.house.home.consent).chain()
        if records := records_meant("consent", name, self.house.home.consent):
            imports = [entry for entry in chain.entries if entry.action == "import"]
            self.ended |= {f"{name}@{entry.number}" for entry in imports if entry.subject == f"{name}.toml"}
            self._begin(Asked(what="consent", name=name, records=records))

    def _begin(self, asked: Asked) -> None:
        one = begin(asked, self.house.home, self.house.releases, by="a test", now=datetime.now(UTC))
        self.unfinished.append(one)

    @precondition(lambda self: self.unfinished)
    @rule()
    def is_carried_to_its_end(self) -> None:
        context = Context(self.house.home)
        means = Means(books=self.books, grounds=context.grounds, signer=context.signer, ring=lambda job: None)
        one = Withdrawer(means, self.house.home).finish(self.unfinished.pop(0))
        assert not one.open and one.lineage_left == ()

    @invariant()
    def nothing_live_or_reachable_derives_from_what_was_taken_back(self) -> None:
        for name in self.house.releases.names():
            reachable = self.can_be_live(name)
            if reachable or name == self.house.releases.live():
                assert not self.taken_back_in(name), name
            if reachable:
                assert self.denied_in(name) == set(), name

    def can_be_live(self, name: str) -> bool:
        context = Context(self.house.home)
        try:
            live, _ = learnt.way_back(context.releases, name, context.inquiry())
        except (Refused, BadInput):
            return False
        return live != name

    def taken_back_in(self, name: str) -> bool:
        return any(
            source["sha256"] in self.contents
            or _id(source) in self.withdrawn
            or not self.ended.isdisjoint(source.get("consents", ()))
            for source in self.sources(name)
        )

    def denied_in(self, name: str) -> set[str]:
        """Notes that are there and may not be used as the release used them, by asking of each on its own."""
        corpus = self.house.workshop().corpus
        documents = [_id(source) for source in self.sources(name)]
        now = datetime.now(UTC)
        terms = in_force(self.house.home, Context(self.house.home).settings, corpus.collections(), documents, now).terms
        return {
            f"{name}: {source['id']}: {use}"
            for source in self.sources(name)
            for use in source["uses"]
            if (said := _says(corpus, _id(source), terms)) and use not in ruling(_id(source), said, terms).uses
        }

    def sources(self, name: str) -> list[dict[str, Any]]:
        """By the release's own papers, read here in the plainest way."""
        papers = (self.house.releases.directory(name) / "sources").glob("*.json")
        return [source for path in papers for source in msgspec.json.decode(path.read_bytes())["sources"]]


def _id(source: dict[str, Any]) -> DocumentId:
    return DocumentId(**source["id"])


def _says(corpus: Any, meant: DocumentId, terms: Terms) -> NoteSaid | None:
    try:
        text = corpus.read(meant).text
    except BadInput:
        return None
    return note_said(read_front_matter(text)[0], text, RaisingWords(terms.words))


def _first_line(word: str) -> str:
    return f'classification = "{word}"\n'


def _rest(text: str) -> str:
    return text.split("\n", maxsplit=1)[1]


TestAnyLife = pytest.mark.slow(Life.TestCase)
TestAnyLife.settings = settings(
    max_examples=12,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # to find the shortest life that fails takes minutes
)
