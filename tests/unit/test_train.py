"""What the train stage writes down of a model: its weights' digest, the recipe as it was followed, the tools."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest

from jobs import train
from jobs.domain.artifacts import TrainedModel
from jobs.domain.recipe import Plan, plan_digest
from jobs.domain.recipe import smaller as half
from jobs.wire import JobSpec
from tests.learnt import Learnt


class Trainer:
    """Writes two files of weights; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def train(self, lesson: object, work: Path, report: object, should_stop: object) -> TrainedModel:
        self.asked += 1
        for name in ("a", "b"):
            (work / f"{name}.safetensors").write_bytes(name.encode())
        return TrainedModel(directory=str(work), steps=1, seconds=1.0, final_loss=0.5, facts={"device": "cpu"})


def test_a_trained_model_is_described_once_by_what_it_was_made_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, trainer = Learnt(tmp_path), Trainer()
    house.write(*(f"{number}.md" for number in range(6)))
    house.classify(notes="public")
    dataset = house.built().result
    monkeypatch.setattr(train, "prove_path", lambda base, workshop: None)  # the canary has tests of its own
    monkeypatch.setattr(train, "LIBRARIES", ("msgspec", "no-such-library"))
    plan = msgspec.to_builtins(Plan(intensity="firm", reason="a test"))
    made: list[TrainedModel] = []
    for smaller in (False, False, True):
        workshop = replace(house.workshop(), embedding_trainer=lambda: trainer)
        spec = JobSpec(
            job=1, run=1, stage="train", target="embedding", home=str(house.home.root), smaller=smaller,
            earlier={"dataset": dataset, "baseline": {"plan": plan}},
        )  # fmt: skip
        made.append(msgspec.convert(train.run(spec, workshop).result, TrainedModel))
    first, again, smaller_one = made
    lines = "".join(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}.safetensors\n" for name in ("a", "b"))
    assert first.weights == hashlib.sha256(lines.encode()).hexdigest()
    assert first.base == "b" * 64 and first.tools == {"msgspec": version("msgspec")}
    recipe = house.workshop().settings.embedding
    assert first.recipe == msgspec.to_builtins(recipe)
    assert again == first and trainer.asked == 2, "a result that is there is not made again"
    marks = {mark.read_text() for mark in house.home.stages.glob("train-*/needed-by-run-1")}
    assert marks == {plan_digest(recipe), plan_digest(half(recipe))}, "whose room is whose"
    assert smaller_one.recipe["batch_size"] == recipe.batch_size // 4
