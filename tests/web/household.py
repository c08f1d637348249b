"""A home that has been lived in, made through the real ledger, the real gate and the real releases."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from config.load import load_settings
from config.paths import Home, QmdFiles
from daemon.ledger.books import Books, open_books
from daemon.ledger.records import Job, Owner
from daemon.web.front import Front
from daemon.web.house import House
from daemon.web.judging import Question, questions
from jobs.adapters.markdown_folders import MarkdownFolders
from jobs.adapters.qmd_config import read_collections
from jobs.adoption import adopt
from jobs.consent.book import ConsentBook
from jobs.dataset.left_out import LeftOut, leave_out
from jobs.dataset.proposals import plain_lines, proposals
from jobs.domain.artifacts import LiveModel, Parity, Progress, ReleaseMetadata
from jobs.domain.corpus import DocumentId, digest
from jobs.domain.examples import DatasetManifest, QuerySet, Target
from jobs.domain.gates import ScoredSet, Verdict
from jobs.domain.judgement import judge
from jobs.domain.lineage import provenance
from jobs.domain.recipe import Plan
from jobs.domain.results import BaselineResult, DatasetResult, DeployResult, ValidationResult
from jobs.domain.scan import Known, Seen
from jobs.lineage import with_record
from jobs.publish import write_file
from jobs.release_publishing import publish_release
from jobs.releases import Releases
from jobs.wire import STAGE_ORDER, Stage
from tests.web.answers import answered, gain, making, queries, stored
from tests.web.proposed import SUBJECTS, manifest, rows

OWNER = Owner(boot="b", pid=1, started=1.0)
POLICY = "".join(
    f'[[rule]]\nplace = "notes/{folder}"\nclassification = "{word}"\n'
    for folder, word in {"ice-road": "public", "fish-camp": "community", "canoe": "personal"}.items()
)
RECORD = """schema = "iaip.consent/1"
holder = "Elders of the river"
kind = "community"
contact = "the band office"
language = "fr"
agreed = 2026-01-02
[[grant]]
uses = ["embed", "evaluate"]
folders = ["notes/fish-camp"]
"""
Judged = tuple[tuple[QuerySet, ...], list[ScoredSet], Verdict]
Verdicts = dict[Target, Judged]


class Household:
    """``books`` and ``releases`` are open; ``front`` opens the page on any free port.

    ``configuration``: QMD's, as it is adopted and as every release has it.
    """

    def __init__(self, root: Path) -> None:
        self.home = Home(root=root / "home")
        self.books: Books = open_books(self.home.ledger)
        self.releases = Releases(self.home.releases, lambda live, _: live, lambda _: True)
        self.settings = load_settings(self.home.config_file)
        self.folder = root / "notes"
        self.configuration = f"collections:\n  notes:\n    path: {self.folder}\n    pattern: '**/*.md'\n"
        self.house = House(
            books=self.books,
            home=self.home,
            releases=self.releases,
            settings=self.settings,
            corpus=self.corpus,
            lines=plain_lines,
        )
        self.front = Front(self.house)
        self.now = datetime(2026, 1, 9, 22, 0, tzinfo=UTC)
        self.chance = random.Random(11)
        self.asked: tuple[str, ...] = ("a query",)
        self.notes = [
            DocumentId(collection="notes", path=f"{subject.replace(' ', '-')}/{year}-{part}.md")
            for subject in SUBJECTS.split(",")
            for year in range(2008, 2026)
            for part in ("spring", "autumn")
        ]

    def corpus(self) -> MarkdownFolders:
        collections = read_collections(self.releases.current / "qmd" / "index.yml")
        return MarkdownFolders(collections, self.settings.watch.largest_document)

    def questions(self) -> tuple[Question, ...]:
        return questions(self.books, self.home.evaluation, lambda dataset: ())

    def settle(self) -> None:
        """Notes written and scanned, QMD's files adopted as v0."""
        self.folder.mkdir(exist_ok=True)
        for note in self.notes:
            path = self.folder / note.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"# {path.parent.name} {path.stem}\n\nWhat was done, and who taught it.\n")
        known = Known(size=900, mtime_ns=1, inode=1, sha256=digest("note"))
        self.books.knowledge.apply([Seen(id=note, known=known) for note in self.notes], [])
        scan = {
            "at": self.now.isoformat(),
            "documents": len(self.notes),
            "changed": 0,
            "removed": 0,
            "seconds": 0.4,
            "left_out": {"not-downloaded": 3},
            "unreadable_folders": 0,
        }
        self.books.knowledge.set_fact("last-scan", msgspec.json.encode(scan).decode())
        files = QmdFiles(config=self.home.root / "qmd.yml", index=self.home.root / "qmd.sqlite")
        files.config.write_text(self.configuration)
        with closing(sqlite3.connect(files.index)) as index:
            index.execute("CREATE TABLE content (doc)")
            index.commit()
        adopt(self.releases, files, self.now, {})

    def classified(self) -> None:
        """Some folders have a class, one of them a community's consent, and a row is left out."""
        book = ConsentBook(self.home.consent)
        with book.held() as pen:
            pen.write("policy.toml", POLICY)
            pen.write("elders.toml", RECORD)
        book.import_changes("a steward", self.now)
        name = self.books.history.newest_dataset("embedding")
        assert name is not None
        row = next(proposals(self.home.datasets / name, "embedding", plain_lines))
        leave_out(self.home.left_out, row.digest, LeftOut(dataset=name, at=self.now))

    def live_through(self, runs: int, promoted: int) -> None:
        """``runs`` ended runs of six jobs, of which the last one and ``promoted`` in all went live."""
        verdicts: Verdicts = {"embedding": self.judged("embedding", 0.12), "expansion": self.judged("expansion", 0.004)}
        with self.books.database.transaction():
            for number in range(1, runs + 1):
                ends_well = number > runs - promoted
                self.run("embedding" if number % 3 else "expansion", verdicts, ends_well)
            for alert in self.books.alerts.unread()[:-2]:
                self.books.alerts.acknowledge(alert.id, self.now)

    def judged(self, target: Target, rise: float) -> Judged:
        """The real gate's verdict on made-up answers to 134 queries of the owner and 60 made from notes."""
        sets = (self.queries("mine", "curated", 134), self.queries("held-out", "held-out", 60))
        scored = [answered(one, rise, self.notes, self.chance) for one in sets]
        measures = {"texts": 100.0, "cosine_min": 0.99991, "cosine_min_least": 0.995}
        parity = Parity(measures=measures, problems=())
        gate = load_settings(self.home.config_file).gate
        return sets, scored, judge(target, scored, parity, gate, resamples=500)

    def queries(self, name: str, kind: str, size: int) -> QuerySet:
        return queries(self.notes, name, kind, size)

    def run(self, target: Target, verdicts: Verdicts, well: bool) -> int:
        sets, scored, verdict = verdicts["embedding" if well else target]
        self.now += timedelta(days=1, hours=self.chance.randrange(3))
        started = self.books.jobs.start_run(target, cause="212 new examples", forced=False, now=self.now)
        assert started is not None
        run, job = started
        for stage in STAGE_ORDER if well else STAGE_ORDER[:-1]:
            last = stage == ("deploy" if well else "validate")
            following: Stage | None = None if last else STAGE_ORDER[STAGE_ORDER.index(stage) + 1]
            claimed = self.claimed(job)
            if stage == "train":
                self.train(claimed, 40)
            result = self.result(stage, target, run.id, sets, verdict)
            self.now += timedelta(minutes=self.chance.randrange(1, 12))
            assert self.books.jobs.finish(claimed, result, following, self.now)
            if following is not None:
                job = self.books.jobs.of_run(run.id)[-1]
        self.books.results.store(run.id, stored(scored))
        outcome, reason = ("promoted", f"{self.releases.live()} is live") if well else ("cannot-tell", verdict.reason)
        self.books.jobs.end_run(run.id, "done", outcome, reason, self.now)
        self.books.alerts.post(outcome, f"Better {target} search is live" if well else "Cannot tell", reason, self.now)
        return run.id

    def claimed(self, job: Job) -> Job:
        claimed = self.books.jobs.claim(job.id, OWNER, self.now)
        assert claimed is not None
        return claimed

    def train(self, job: Job, upto: int, steps: int = 40) -> None:
        for step in range(1, upto + 1):
            self.now += timedelta(seconds=20)
            loss = 0.35 + 1.9 / (1 + step / 6) + self.chance.uniform(-0.06, 0.06)
            rate = 27 + self.chance.uniform(-2.5, 2.5)
            progress = Progress(step=step, steps=steps, loss=loss, rate=rate, unit="pairs", eta=(steps - step) * 20.0)
            self.books.jobs.note(job, phase="training", progress=progress, now=self.now)

    def result(
        self, stage: Stage, target: Target, run: int, sets: Sequence[QuerySet], verdict: Verdict
    ) -> dict[str, object]:
        name = digest(target, str(run))
        if stage == "dataset":
            self.dataset(name, target)
            return builtins(DatasetResult(dataset=name, rows={"train": 3200, "development": 400, "test": 600}))
        if stage == "baseline":
            plan = Plan(intensity="gentle", reason="current search scores 0.527 nDCG@10, middling: train gently")
            return builtins(BaselineResult(index="", answers="", sets=tuple(sets), score=0.527, plan=plan))
        if stage == "validate":
            return builtins(ValidationResult(index="", answers="", verdict=verdict, judged_by=self.asked))
        if stage == "deploy":
            return builtins(DeployResult(release=self.release(target, run, name, verdict), live=True))
        return {"facts": {"device": "cpu"}} if stage == "train" else {}

    def dataset(self, name: str, target: Target) -> None:
        made = manifest(name, target, self.notes, self.chance)
        write_file(self.home.datasets / name / "manifest.json", msgspec.json.encode(made))
        for split, proposed in rows(target, self.notes).items():
            lines = b"".join(msgspec.json.encode(row) + b"\n" for row in proposed)
            write_file(self.home.datasets / name / f"{split}.jsonl", lines)

    def release(self, target: Target, run: int, dataset: str, verdict: Verdict) -> str:
        name, live = self.releases.next_name(), self.releases.live()
        assert live is not None
        base = "all-minilm-l6-v2" if target == "embedding" else "smollm2-135m-instruct"
        content = f"{name} {target}".encode()
        sha256 = hashlib.sha256(content).hexdigest()
        gguf = self.releases.models / f"{base}-{sha256[:12]}.gguf"
        gguf.write_bytes(content)
        model = LiveModel(base=base, gguf=str(gguf), sha256=sha256)
        path = self.home.datasets / dataset / "manifest.json"
        learnt = msgspec.json.decode(path.read_bytes(), type=DatasetManifest)
        record = provenance(learnt, (), (), (), run=run, model=sha256)
        sources, papers = with_record(record, self.releases.release(live))
        before = self.releases.release(live).metadata
        metadata = ReleaseMetadata(
            name=name,
            created_at=self.now,
            sources=sources,
            targets={**before.targets, target: model},
            made={**before.made, target: making(learnt, run)},
            run=run,
            target=target,
            dataset=dataset,
            gain=gain(verdict, live, self.chance),
            tools={"qmd": "2.8.3"},
            training={"device": "cpu", "precision": "bfloat16", "intensity": "gentle", "share": "0.7"},
        )
        publish_release(self.releases, metadata, self.configuration, lambda path: path.touch(), papers)
        self.releases.switch(name)
        self.releases.confirm(name)
        return name

    def training_now(self, upto: int = 61, steps: int = 141) -> Job:
        """A run that is in training this minute."""
        started = self.books.jobs.start_run("embedding", cause="training window", forced=False, now=self.now)
        assert started is not None
        run, job = started
        sets, _, verdict = self.judged("embedding", 0.1)
        for stage in STAGE_ORDER[: STAGE_ORDER.index("train")]:
            result = self.result(stage, "embedding", run.id, sets, verdict)
            following = STAGE_ORDER[STAGE_ORDER.index(stage) + 1]
            assert self.books.jobs.finish(self.claimed(job), result, following, self.now)
            job = self.books.jobs.of_run(run.id)[-1]
        training = self.claimed(job)
        with self.books.database.transaction():
            self.train(training, upto, steps)
        return training

    def judged_now(self, training: Job) -> None:
        """The run of that training ends with a verdict, and nothing is deployed."""
        assert training.run is not None
        sets, scored, verdict = self.judged("embedding", 0.0)
        job = training
        after: dict[Stage, Stage | None] = {"train": "export", "export": "validate", "validate": None}
        for stage, following in after.items():
            claimed = job if stage == "train" else self.claimed(job)
            result = self.result(stage, "embedding", training.run, sets, verdict)
            assert self.books.jobs.finish(claimed, result, following, self.now)
            job = self.books.jobs.of_run(training.run)[-1]
        self.books.results.store(training.run, stored(scored))
        self.books.jobs.end_run(training.run, "done", "cannot-tell", verdict.reason, self.now)

    def enter(self) -> str:
        """A fresh one-time address."""
        url = self.front.open()["url"]
        assert isinstance(url, str)
        return url

    def leave(self) -> None:
        self.front.stop()
        self.books.database.close()


def builtins(value: msgspec.Struct) -> dict[str, object]:
    made: dict[str, object] = msgspec.to_builtins(value)
    return made
