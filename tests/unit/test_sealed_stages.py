"""What is made of people's notes lies sealed: datasets, examples, checkpoints and trained models, until a key goes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from config.paths import Home
from jobs import checkpoints, export, train, validate
from jobs.dataset import stage
from jobs.dataset.build import load
from jobs.dataset.evaluation import EvaluationSets
from jobs.dataset.refresh import refresh
from jobs.domain.artifacts import BaseModel, Parity, SearchModels, TrainedModel
from jobs.domain.errors import BadInput, Stopped
from jobs.domain.examples import Pair, QuerySet
from jobs.domain.recipe import Lesson, Plan
from jobs.domain.results import BaselineResult, asked
from jobs.keys import KeyDestroyed
from jobs.releases import Releases
from jobs.wire import Done, JobSpec
from jobs.workshop import Workshop
from tests.house import keys_of
from tests.unit.dataset.sample import Notes, classify, home, note, notes, quiet, small_settings, write_consent

RECORD = """
schema = "iaip.consent/1"
holder = "{name}"
kind = "person"
contact = "x"
language = "en"
agreed = 2026-01-01
[[grant]]
uses = ["embed", "expand", "evaluate"]
documents = ["kb/{name}.md"]
"""
WORDS = {"maria": b"600 is about", "josef": b"601 is about"}
BASE = BaseModel(name="b", directory="/nowhere", digest="d", kind="embedding")


class Trainer:
    """Three steps, a checkpoint each, whose content is the texts that were learned so far. Stops after ``until``."""

    def __init__(self, until: int) -> None:
        self.until = until
        self.began_at: list[int] = []

    def __call__(self) -> Trainer:
        return self

    def train(self, lesson: Lesson[Any, Pair], work: Path, report: object, should_stop: object) -> TrainedModel:
        rows = lesson.train
        found = checkpoints.newest(work / "checkpoints")
        learned = (found / "weights").read_bytes() if found else b""
        step = checkpoints.step_of(found) if found else 0
        self.began_at.append(step)
        while step < 3:
            if step == self.until:
                raise Stopped("asked to", remedy="none")
            step += 1
            learned += f"step {step}: {[row.passage for row in rows]}\n".encode()
            with checkpoints.publish(work / "checkpoints", step) as place:
                (place / "weights").write_bytes(learned)
        (work / "model").mkdir()
        (work / "model" / "model.safetensors").write_bytes(learned)
        return TrainedModel(directory=str(work / "model"), steps=3, seconds=1.0, final_loss=0.0, facts={})


class Exporter:
    """Its GGUF is the model's own bytes."""

    def tool_version(self) -> str:
        return "1"

    def export(self, model: Path, quantisation: str, gguf: Path) -> None:
        gguf.write_bytes((model / "model.safetensors").read_bytes())

    def embedding_parity(self, *_: object) -> Parity:
        return Parity(measures={}, problems=())


class Run:
    """A run over notes of which two persons' need their consent."""

    def __init__(self, folder: Path, *, public: bool = False) -> None:
        self.place: Home = home(folder / "home")
        self.corpus = people(public=public)
        for name in WORDS:
            write_consent(self.place, f"{name}.toml", RECORD.format(name=name))
        self.earlier: dict[str, Any] = {"baseline": {"plan": msgspec.to_builtins(Plan(intensity="firm", reason="x"))}}
        self.trainer = Trainer(until=99)

    def workshop(self) -> Workshop:
        return Workshop(
            home=self.place,
            settings=small_settings(),
            keys=keys_of(self.place),
            corpus=self.corpus,
            token_counter=lambda: None,
            releases=Releases(self.place.releases, lambda live, _: live, lambda _: True),
            search=None,  # type: ignore[arg-type]
            scorer=None,  # type: ignore[arg-type]
            base_model=lambda _: BASE,
            embedding_trainer=self.trainer,
            expansion_trainer=self.trainer,  # type: ignore[arg-type]
            exporter=Exporter,  # type: ignore[arg-type]
            bill_of_materials=lambda metadata, provenance: b"",
            emit=lambda _: None,
            should_stop=lambda: False,
        )

    def does(self, name: Any, of: Any) -> Done:
        documents = tuple((one.collection, one.path, sha256) for one, sha256 in self.corpus.listing())
        spec = JobSpec(
            job=1, run=7, stage=name, target="embedding", home=str(self.place.root), earlier=self.earlier,
            documents=documents,
        )  # fmt: skip
        done: Done = of(spec, self.workshop())
        self.earlier[name] = done.result
        return done

    def builds(self) -> Path:
        return self.place.datasets / str(self.does("dataset", stage.run).result["dataset"])

    def plain(self, words: bytes) -> list[str]:
        """The files of the home in which anybody could read the words."""
        files = (path for path in self.place.root.rglob("*") if path.is_file())
        return sorted(str(path.relative_to(self.place.root)) for path in files if words in path.read_bytes())


def people(*, public: bool = False) -> Notes:
    head = f"---\niaip: {{classification: {'public' if public else 'personal'}}}\n---\n"
    return notes(30, **{f"{name}.md": head + note(600 + number, sections=9) for number, name in enumerate(WORDS)})


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(train, "prove_path", lambda *_: None)
    return Run(tmp_path)


def test_nobody_reads_a_persons_words_in_the_datasets_or_the_examples(run: Run) -> None:
    directory = run.builds()
    dataset = load(directory, keys_of(run.place))
    assert {"kb/maria.md", "kb/josef.md"} <= dataset.trained_on() and set(dataset.consents()) == {"maria", "josef"}
    assert [run.plain(words) for words in WORDS.values()] == [[], []]
    assert any(b"600 is about" in row.passage.encode() for row in dataset.train if isinstance(row, Pair))


def test_nor_in_what_a_baseline_asked_though_it_asked_about_them(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words of a note are queries too: in the stage, and in the result that the ledger keeps for good."""
    classify(run.place, kb="personal", curated="public")
    everything = RECORD.format(name="anna").replace('documents = ["kb/anna.md"]', 'folders = ["kb"]')
    write_consent(run.place, "anna.toml", everything)
    dataset = load(run.builds(), keys_of(run.place))
    texts = [query.text for one in dataset.query_sets for query in one.queries]
    owners = QuerySet(name="mine", kind="curated", queries=dataset.query_sets[0].queries[:1])
    measured = BaselineResult(
        index="x", answers="", sets=(owners, *dataset.query_sets), score=0.3, plan=Plan(intensity="firm", reason="x")
    )
    monkeypatch.setattr(validate, "too_few", lambda *_: None)
    monkeypatch.setattr(validate, "_baseline", lambda *_: measured)
    monkeypatch.setattr(validate, "read_evaluation_sets", lambda *_: EvaluationSets(sets=(owners,), problems=()))
    workshop = run.workshop
    search = SimpleNamespace(models=lambda path: SearchModels(), version=lambda: "2.8.3")
    monkeypatch.setattr(run, "workshop", lambda: dataclasses.replace(workshop(), search=search))
    told = run.does("baseline", validate.run_baseline).result
    assert [one["name"] for one in told["sets"]] == ["mine"], "what the owner typed lies in evaluation/ as it is"
    assert len(texts) > 1 and not any(run.plain(text.encode()) for text in texts[1:])
    assert not any(text.encode() in msgspec.json.encode(told) for text in texts[1:])
    assert asked(msgspec.convert(told, BaselineResult), dataset.query_sets) == measured.sets, "and nothing is lost"


def test_what_is_purely_public_is_plain_and_makes_no_key(tmp_path: Path) -> None:
    run = Run(tmp_path, public=True)
    directory = run.builds()
    assert load(directory, keys_of(run.place)).consents() == () and not run.place.keys.exists()
    assert f"datasets/{directory.name}/train.jsonl" in run.plain(WORDS["maria"])


def test_one_key_of_two_destroyed_and_the_dataset_is_unreadable_though_known(run: Run) -> None:
    directory = run.builds()
    keys_of(run.place).destroy("josef")
    with pytest.raises(KeyDestroyed):
        load(directory, keys_of(run.place))
    assert b"maria.md" in (directory / "manifest.json").read_bytes()


def test_a_training_that_was_stopped_is_sealed_and_goes_on_exactly(run: Run, tmp_path: Path) -> None:
    run.builds()
    run.trainer = Trainer(until=2)
    with pytest.raises(Stopped):
        run.does("train", train.run)
    assert run.plain(b"step 1") == []
    run.trainer = Trainer(until=99)
    run.does("train", train.run)
    assert run.trainer.began_at == [2] and run.plain(b"step 1") == []
    straight = Run(tmp_path / "straight")
    straight.builds()
    straight.does("train", train.run)
    assert model(run) == model(straight)


def model(run: Run) -> bytes:
    """As the export gets it."""
    run.does("export", export.run)
    return Path(run.earlier["export"]["gguf"]).read_bytes()


def test_an_export_reads_the_trained_model_and_leaves_it_sealed_but_its_own_file_open(run: Run) -> None:
    run.builds()
    run.does("train", train.run)
    assert model(run).startswith(b"step 1") and b"600 is about" in model(run)
    assert [path.split("/")[0] for path in run.plain(b"600 is about")] == ["releases"], "QMD must read a release"


def test_without_a_key_an_export_is_refused_in_words(run: Run) -> None:
    run.builds()
    run.does("train", train.run)
    keys_of(run.place).destroy("maria")
    with pytest.raises(KeyDestroyed, match="consent whose key was destroyed"):
        run.does("export", export.run)


def test_examples_whose_key_is_gone_are_made_again_where_that_is_permitted(run: Run) -> None:
    run.builds()
    run.corpus.read_paths.clear()
    keys_of(run.place).destroy("maria")
    again = refresh(run.corpus.inputs(run.place), quiet)
    assert run.corpus.read_paths == ["maria.md"] and again.regenerated == 1
    assert "kb/maria.md" in load(run.builds(), keys_of(run.place)).trained_on()


def test_a_note_that_changes_hands_is_sealed_under_its_new_key(run: Run) -> None:
    run.builds()
    run.corpus.read_paths.clear()
    (run.place.consent / "maria.toml").unlink()
    write_consent(run.place, "anna.toml", RECORD.format(name="anna").replace("kb/anna.md", "kb/maria.md"))
    run.builds()
    assert run.corpus.read_paths == ["maria.md"]
    keys_of(run.place).destroy("maria")
    run.corpus.read_paths.clear()
    run.builds()
    assert run.corpus.read_paths == [], "the former key no longer matters"


def test_a_note_that_becomes_public_is_made_anew_in_plain(run: Run) -> None:
    run.builds()
    run.corpus = people(public=True)
    run.builds()
    assert run.plain(WORDS["maria"])
    classify(run.place, kb="personal", curated="public")
    run.builds()
    assert "cache/examples.sqlite" not in run.plain(WORDS["maria"])


def test_a_sealed_dataset_that_was_touched_is_damaged(run: Run) -> None:
    directory = run.builds()
    file = directory / "train.jsonl"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(BadInput, match="changed or cut") as refusal:
        load(directory, keys_of(run.place))
    assert "next run" in refusal.value.remedy
