"""A home whose releases learnt from real notes: consent, datasets and deployment are real, training is not."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from config.paths import Home, QmdFiles
from jobs import deploy
from jobs.adapters.cyclonedx_bom import bill_of_materials
from jobs.adapters.markdown_folders import MarkdownFolders
from jobs.adapters.qmd_config import read_collections, with_collections_of
from jobs.adoption import adopt
from jobs.dataset import stage
from jobs.dataset.learnt import inquiry, may_go_live
from jobs.domain.artifacts import BaseModel, ExportedModel, Parity, SearchModels, TrainedModel
from jobs.domain.corpus import DocumentId
from jobs.domain.examples import QuerySet, Target
from jobs.domain.gates import Speed, Verdict
from jobs.domain.recipe import Plan
from jobs.domain.results import BaselineResult, ValidationResult
from jobs.publish import publish_file
from jobs.releases import Release, Releases
from jobs.wire import Done, JobSpec
from jobs.workshop import Workshop
from tests.house import keys_of
from tests.unit.dataset.sample import LONG_AGO, note, small_settings, write_consent

PROMOTED = Verdict(
    target="embedding",
    outcome="promote",
    rule="gain-shown",
    reason="better",
    alpha=0.05,
    reference="current",
    sets=(),
    parity=Parity(measures={}, problems=()),
    speed=Speed(
        current_milliseconds=None,
        candidate_milliseconds=None,
        latency_ratio=None,
        current_fallback=None,
        candidate_fallback=None,
        fallback_p=None,
    ),
)
RECORD = """schema = "iaip.consent/1"
holder = "{name}"
kind = "{kind}"
contact = "x"
language = "en"
agreed = 2026-01-01
[[grant]]
uses = {uses}
folders = ["{place}"]
"""
ALL = ("embed", "expand", "evaluate")


class _Search:
    """QMD where nothing is searched: the configuration stays as it is, and every release is well."""

    def version(self) -> str:
        return "2.8.3"

    def models(self, configuration: Path) -> SearchModels:
        return SearchModels()

    def configured(self, text: str, models: SearchModels) -> str:
        return text

    def refresh(self, configuration: Path, index: Path, queries: Any) -> list[str]:
        return []

    def tool_version(self) -> str:
        return "llama.cpp test"


class Learnt:
    """``notes/`` is a collection: ``write`` fills it, ``classify`` and ``consent`` allow it, ``learn`` learns."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(root=folder / "home")
        self.notes = folder / "notes"
        self.notes.mkdir(parents=True)
        self.files = QmdFiles(config=folder / "qmd" / "index.yml", index=folder / "qmd" / "index.sqlite")
        self.files.config.parent.mkdir()
        self.files.config.write_text(f"collections:\n  notes:\n    path: {self.notes}\n    pattern: '**/*.md'\n")
        self.releases = Releases(self.home.releases, with_collections_of, self._may)
        adopt(self.releases, self.files, LONG_AGO, {})
        self.runs = 0

    def write(self, *paths: str, text: str = "") -> None:
        """Each a note of its own, or all with this text."""
        for path in paths:
            file = self.notes / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text or note(int(hashlib.sha256(path.encode()).hexdigest()[:6], 16)), "utf-8")

    def classify(self, **classes: str) -> None:
        """A class a place; ``__`` stands for the slash."""
        rules = [
            f'[[rule]]\nplace = "{place.replace("__", "/")}"\nclassification = "{word}"\n'
            for place, word in classes.items()
        ]
        self.policy("\n".join(rules))

    def policy(self, text: str) -> None:
        write_consent(self.home, "policy.toml", text)

    def consent(self, name: str, kind: str, place: str, uses: Sequence[str] = ALL, condition: str = "") -> None:
        """``condition``: a further line of the grant."""
        written = json.dumps(list(uses))
        text = RECORD.format(name=name, kind=kind, place=place, uses=written) + condition
        write_consent(self.home, f"{name}.toml", text)

    def documents(self) -> tuple[tuple[str, str, str], ...]:
        found = [path for path in sorted(self.notes.rglob("*.md")) if path.is_file()]
        return tuple(
            ("notes", str(path.relative_to(self.notes)), hashlib.sha256(path.read_bytes()).hexdigest())
            for path in found
        )

    def built(self, target: Target = "embedding") -> Done:
        self.runs += 1
        return stage.run(self._spec("dataset", target, documents=self.documents()), self.workshop())

    def learn(self, target: Target = "embedding", judged_by: tuple[QuerySet, ...] = (), measured: str = "") -> str:
        """The next release: a dataset of today's notes, a model that stands for one trained on it, deployed.

        ``measured``: the release that its baseline was, if not the live one.
        """
        done = self.deployed(target, judged_by, measured)
        assert done.ends_run is None, done.ends_run
        return str(self.releases.live())

    def deployed(self, target: Target = "embedding", judged_by: tuple[QuerySet, ...] = (), measured: str = "") -> Done:
        """The same, to whatever end the deployment comes."""
        dataset = self.built(target)
        if dataset.ends_run is not None:
            return dataset
        sha256 = hashlib.sha256(f"{target} {self.runs}".encode()).hexdigest()
        draft, gguf = self.home.root / "draft.gguf", self.releases.models / f"small-{sha256[:12]}.gguf"
        draft.write_bytes(f"{target} {self.runs}".encode())
        publish_file(draft, gguf)
        index = self.home.root / "shadow.sqlite"
        self.write_index(index)
        earlier = {
            "dataset": dataset.result,
            "baseline": BaselineResult(
                live=measured or str(self.releases.live()), index="", answers="", sets=judged_by, score=0.3,
                plan=Plan(intensity="firm", reason="a test"),
            ),
            "train": TrainedModel(
                directory="", steps=1, seconds=1.0, final_loss=0.1, facts={"device": "cpu"}, base="b" * 64,
                weights="w" * 64, recipe={"base": "small", "epochs": 2}, tools={"torch": "2.13.0"},
            ),
            "export": ExportedModel(
                gguf=str(gguf), sha256=sha256, quantisation="f16", parity=Parity(measures={}, problems=())
            ),
            "validate": ValidationResult(index=str(index), answers="", verdict=PROMOTED),
        }  # fmt: skip
        return deploy.run(self._spec("deploy", target, earlier=msgspec.to_builtins(earlier)), self.workshop())

    def write_index(self, path: Path) -> None:
        """As QMD 2.8.3 lays it out, without its full-text and vector extensions: every note with two vectors."""
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as index:
            index.executescript(
                "CREATE TABLE content (hash TEXT PRIMARY KEY, doc TEXT, created_at TEXT);"
                "CREATE TABLE documents (id INTEGER PRIMARY KEY, collection TEXT, path TEXT, title TEXT, hash TEXT,"
                " created_at TEXT, modified_at TEXT, active INTEGER DEFAULT 1, UNIQUE (collection, path));"
                "CREATE TABLE content_vectors (hash TEXT, seq INTEGER, pos INTEGER, model TEXT, embed_fingerprint TEXT,"
                " total_chunks INTEGER, embedded_at TEXT, PRIMARY KEY (hash, seq));"
                "CREATE TABLE llm_cache (hash TEXT PRIMARY KEY, result TEXT, created_at TEXT);"
                "INSERT INTO llm_cache VALUES ('k', 'r', '');"
            )
            for collection, name, sha256 in self.documents():
                index.execute("INSERT OR IGNORE INTO content VALUES (?, 'text', '')", (sha256,))
                index.execute(
                    "INSERT INTO documents (collection, path, hash) VALUES (?, ?, ?)", (collection, name, sha256)
                )
                index.executemany(
                    "INSERT OR IGNORE INTO content_vectors (hash, seq) VALUES (?, ?)", [(sha256, 0), (sha256, 1)]
                )
            index.commit()

    def _may(self, release: Release) -> bool:
        return may_go_live(inquiry(self.workshop()))(release)

    def workshop(self) -> Workshop:
        search: Any = _Search()
        return Workshop(
            home=self.home,
            settings=small_settings(),
            keys=keys_of(self.home),
            corpus=MarkdownFolders(read_collections(self.releases.current / "qmd" / "index.yml"), 10_000_000),
            token_counter=lambda: None,
            releases=self.releases,
            search=search,
            scorer=lambda: search,
            base_model=lambda target: BaseModel(name="small", directory="", digest="b" * 64, kind=target),
            embedding_trainer=lambda: search,
            expansion_trainer=lambda: search,
            exporter=lambda: search,
            bill_of_materials=bill_of_materials,
            emit=lambda event: None,
            should_stop=lambda: False,
        )

    def _spec(self, name: Any, target: Target, **more: Any) -> JobSpec:
        return JobSpec(job=1, run=self.runs, stage=name, target=target, home=str(self.home.root), **more)


def document(path: str) -> DocumentId:
    return DocumentId(collection="notes", path=path)
