"""A home in which something was learnt from a note that will be withdrawn: real files, ledger, datasets and indexes."""

from __future__ import annotations

import argparse
import shutil
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec

from config.paths import Home, QmdFiles
from daemon.cli import withdrawing
from daemon.cli.grammar import parser_of
from daemon.cli.result import Result
from daemon.cli.root import Context
from daemon.ledger.books import Books, open_books
from daemon.ledger.records import Owner, StoredAnswer
from daemon.system.processes import boot_id, this_process
from daemon.withdrawals import Means, Withdrawer
from jobs.adapters.markdown_folders import MarkdownFolders, scan
from jobs.adapters.qmd_config import read_collections
from jobs.adoption import adopt
from jobs.consent.book import ConsentBook
from jobs.consent.withdrawals import Journal
from jobs.dataset.build import Dataset, Inputs, build, load
from jobs.domain.artifacts import ExportedModel, LiveModel, Parity, ReleaseMetadata
from jobs.domain.corpus import DocumentId
from jobs.domain.errors import NotEnough
from jobs.domain.gates import Answer
from jobs.domain.lineage import provenance
from jobs.domain.recipe import Plan
from jobs.domain.results import ArmAnswers, BaselineResult, ScoredAnswer
from jobs.lineage import with_record
from jobs.publish import write_file
from jobs.release_publishing import publish_release
from jobs.releases import Releases
from jobs.workshop import RESULT, RUN_MARK
from tests.house import keys_of
from tests.qmd_index import write_index
from tests.story import ADA, SECRET, STORY
from tests.unit.dataset.sample import note, small_settings

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


class Household:
    """v1 and the live v3 were made without the story, v2 with it; v3 carries v2's model on, so it derives too."""

    def __init__(self, folder: Path) -> None:
        """Opens what ``furnished`` or ``moved_in`` has put there."""
        self.folder = folder
        self.notes = folder / "notes"
        self.home = Home(root=folder / "home")
        self.releases = Releases(self.home.releases, lambda live, other: live, lambda _: True)
        self.settings = small_settings()
        self.books: Books = open_books(self.home.ledger)

    @classmethod
    def furnished(cls, folder: Path, notes: int = 24) -> Household:
        """Notes, QMD's files adopted as v0, and consents; nothing learnt yet."""
        house = cls(folder)
        for number in range(notes):
            house.write(f"n{number}.md", note(number))
        (house.notes / "elders").mkdir()
        config, index = folder / "qmd" / "index.yml", folder / "qmd" / "index.sqlite"
        config.parent.mkdir()
        config.write_text(f"collections:\n  notes:\n    path: {house.notes}\n    pattern: '**/*.md'\n")
        write_index(index, house.notes)
        adopt(house.releases, QmdFiles(config=config, index=index), NOW, {})
        classes = {"notes": "public", "notes/elders": "personal", "curated": "public"}
        rules = (f'[[rule]]\nplace = "{place}"\nclassification = "{word}"' for place, word in classes.items())
        house.consent("policy.toml", "\n".join(rules))
        house.consent("ada.toml", ADA.format(folder="notes/elders"))
        house.look()
        return house

    @classmethod
    def moved_in(cls, built: Path, folder: Path) -> Household:
        """A copy of a household, with the paths in its files set right."""
        shutil.copytree(built, folder, symlinks=True)
        for name in ("index.yml", "training-metadata.json", "result.json"):
            for path in folder.rglob(name):
                if not path.is_symlink():
                    path.write_text(path.read_text("utf-8").replace(str(built), str(folder)), "utf-8")
        return cls(folder)

    def write(self, path: str, text: str) -> Path:
        place = self.notes / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")
        return place

    def consent(self, name: str, text: str) -> None:
        book = ConsentBook(self.home.consent)
        with book.held() as pen:
            pen.write(name, text)
        book.import_changes("a test", NOW)

    def corpus(self) -> MarkdownFolders:
        return MarkdownFolders(read_collections(self.releases.current / "qmd" / "index.yml"), 10**6)

    def listing(self) -> list[tuple[DocumentId, str]]:
        seen = scan(self.corpus().collections(), {}, largest=10**6, now_ns=0).documents
        return [(document.id, document.known.sha256) for document in seen]

    def look(self) -> None:
        """As the watcher enters what it sees."""
        seen = scan(self.corpus().collections(), {}, largest=10**6, now_ns=0).documents
        self.books.knowledge.apply(seen, [])

    def tell_the_story(self) -> None:
        self.write(SECRET, STORY)
        self.look()

    def dataset(self, target: str = "embedding") -> Dataset | None:
        inputs = Inputs(
            corpus=self.corpus(),
            documents=self.listing(),
            home=self.home,
            settings=self.settings,
            keys=keys_of(self.home),
        )
        try:
            manifest = build(target, inputs, lambda done, total: None)  # type: ignore[arg-type]
        except NotEnough:
            return None
        return load(self.home.datasets / manifest.name, keys_of(self.home))

    def learns(self, target: str = "embedding", *, goes_live: bool = True) -> str:
        """A whole run, as the stages leave it: dataset, stages, model, release, ledger. Returns the release's name."""
        dataset = self.dataset(target)
        assert dataset is not None
        started = self.books.jobs.start_run(target, cause="test", forced=False, now=NOW)  # type: ignore[arg-type]
        assert started is not None
        run = started[0].id
        content = f"weights of {dataset.manifest.name}".encode()
        gguf = self.releases.models / f"small-{sha256(content).hexdigest()[:12]}.gguf"
        gguf.parent.mkdir(exist_ok=True, parents=True)
        gguf.write_bytes(content)
        model = LiveModel(base="small", gguf=str(gguf), sha256=sha256(content).hexdigest())
        self._stages(run, dataset, model)
        record = provenance(
            dataset.manifest,
            (*dataset.train, *dataset.development, *dataset.test),
            dataset.documents,
            dataset.query_sets,
            run=run,
            model=model.sha256,
        )
        live = self.releases.release(self.releases.live() or "v0")
        named, papers = with_record(record, live)
        metadata = ReleaseMetadata(
            name=self.releases.next_name(),
            created_at=NOW,
            targets={**live.metadata.targets, target: model},
            run=run,
            target=target,
            dataset=dataset.manifest.name,
            sources=named,
        )
        text = (self.releases.current / "qmd" / "index.yml").read_text()
        publish_release(self.releases, metadata, text, lambda path: write_index(path, self.notes), papers)
        if goes_live:
            self.releases.switch(metadata.name)
            self.releases.confirm(metadata.name)
        self._entries(run, dataset)
        return metadata.name

    def _stages(self, run: int, dataset: Dataset, model: LiveModel) -> None:
        for name in ("baseline", "train", "export", "validate"):
            stage = self.home.stages / f"{name}-{dataset.manifest.name}"
            stage.mkdir(parents=True, exist_ok=True)
            (stage / f"{RUN_MARK}{run}").touch()
        write_index(self.home.stages / f"baseline-{dataset.manifest.name}" / "index.sqlite", self.notes)
        checkpoint = self.home.stages / f"train-{dataset.manifest.name}" / "checkpoints" / "step-1" / "weights"
        checkpoint.parent.mkdir(parents=True)
        checkpoint.write_bytes(b"weights")
        exported = ExportedModel(
            gguf=model.gguf, sha256=model.sha256, quantisation="f16", parity=Parity(measures={}, problems=())
        )
        write_file(self.home.stages / f"export-{dataset.manifest.name}" / RESULT, msgspec.json.encode(exported))

    def _entries(self, run: int, dataset: Dataset) -> None:
        """The run's jobs with their results, its answers, and a log of a job."""
        answers = [
            StoredAnswer(
                arm="current",
                query_set=one.name,
                query=query.id,
                metrics={"nDCG@10": 0.5},
                documents=("notes/n0.md", f"notes/{SECRET}"),
                milliseconds=1.0,
            )
            for one in dataset.query_sets
            for query in one.queries
        ]
        baseline = BaselineResult(
            index="",
            answers="",
            sets=dataset.query_sets,
            score=0.5,
            plan=Plan(intensity="gentle", reason="a test"),
        )
        scored = [
            ScoredAnswer(answer=Answer(query=a.query, documents=a.documents, milliseconds=1.0), metrics=a.metrics)
            for a in answers
        ]
        told = [ArmAnswers(arm="current", query_set="held-out", scored=tuple(scored))]
        write_file(self.home.stages / f"baseline-{dataset.manifest.name}" / "answers.json", msgspec.json.encode(told))
        self.books.results.store(run, answers)
        results = {"dataset": {"dataset": dataset.manifest.name, "rows": {}}, "baseline": msgspec.to_builtins(baseline)}
        owner: Owner = this_process(boot_id())
        for stage in ("dataset", "baseline"):
            [waiting] = [job for job in self.books.jobs.of_run(run) if job.state == "queued"]
            job = self.books.jobs.claim(waiting.id, owner, NOW)
            assert job is not None
            self.books.jobs.finish(job, results[stage], "baseline" if stage == "dataset" else None, NOW)
            write_file(self.home.logs / "jobs" / f"{job.id}.log", f"read notes/{SECRET}\n".encode())
        self.books.jobs.end_run(run, "done", "promoted", "a test", NOW)

    def now(self) -> datetime:
        return NOW

    def finishes(self, job: int, result: dict[str, object]) -> None:
        claimed = self.books.jobs.claim(job, this_process(boot_id()), NOW)
        assert claimed is not None
        self.books.jobs.finish(claimed, result, "baseline", NOW)

    def context(self) -> Context:
        return Context(self.home)

    def types(self, *words: str) -> Result:
        """`iaipctl withdraw` with these words, in this process. The ledger's writer steps aside meanwhile."""
        self.books.database.close()
        try:
            options = parser_of(("withdraw",)).parse_args(["withdraw", *words])
            return withdrawing.run(argparse.Namespace(**vars(options)), self.context())
        finally:
            self.books = open_books(self.home.ledger)

    def attends(self) -> None:
        """What the daemon does about open withdrawals when it starts."""
        self.books.database.close()
        self.books = open_books(self.home.ledger)
        withdrawer = self.withdrawer()
        withdrawer.stop_what_was_asked()
        for one in Journal(self.home.consent).open():
            withdrawer.finish(one)

    def withdrawer(self) -> Withdrawer:
        context = self.context()
        means = Means(books=self.books, grounds=context.grounds, signer=context.signer, ring=lambda job: None)
        return Withdrawer(means, self.home)

    def holding(self, text: str) -> list[str]:
        """Every file of the home with the text in it."""
        needle = text.encode()
        files = [path for path in self.home.root.rglob("*") if path.is_file() and not path.is_symlink()]
        return sorted(str(path.relative_to(self.home.root)) for path in files if needle in path.read_bytes())


def with_story(folder: Path) -> Household:
    """v0, v1 made before the story was told, v2 with it, and v3 of another target that carries v2's model on."""
    house = Household.furnished(folder)
    assert house.learns() == "v1"
    house.tell_the_story()
    assert house.learns() == "v2"
    (house.notes / SECRET).unlink()
    try:
        assert house.learns("expansion") == "v3"
    finally:
        house.tell_the_story()
    for name in ("v1", "v2", "v3"):  # each was live while the story lay there
        write_index(house.releases.directory(name) / "index" / "index.sqlite", house.notes)
    house.dataset()
    return house
