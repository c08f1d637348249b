"""The exported file is compared on real texts, however few were kept back to judge by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobs import export
from jobs.dataset.build import Dataset, load
from jobs.domain.artifacts import BaseModel, Parity, TrainedModel
from jobs.domain.examples import Target
from jobs.wire import JobSpec
from tests.learnt import ALL, Learnt


class Exporter:
    """Remembers what it was given to compare."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def tool_version(self) -> str:
        return "1"

    def export(self, model: Path, quantisation: str, gguf: Path) -> None:
        gguf.write_bytes(b"weights")

    def embedding_parity(self, model: Path, gguf: Path, quantisation: str, texts: Sequence[str]) -> Parity:
        self.texts = list(texts)
        return Parity(measures={}, problems=())

    generation_parity = embedding_parity


def compared(folder: Path, target: Target, uses: Sequence[str]) -> tuple[list[str], Dataset]:
    """The texts that the exporter was given, and the dataset that they come from."""
    house, exporter = Learnt(folder), Exporter()
    house.write(*(f"{number}.md" for number in range(130)))
    house.classify(notes="personal")
    house.consent("me", "person", "notes", uses=uses)
    base = BaseModel(name="small", directory=str(folder), digest="d", kind=target)
    workshop = replace(house.workshop(), base_model=lambda _: base, exporter=lambda: exporter)
    trained = folder / "stages" / "trained"
    trained.mkdir(parents=True)
    model = TrainedModel(directory=str(trained), steps=1, seconds=1.0, final_loss=0.1, facts={})
    dataset = house.built(target).result
    earlier: dict[str, Any] = {"dataset": dataset, "train": msgspec.to_builtins(model)}
    export.run(
        JobSpec(job=1, run=1, stage="export", target=target, home=str(house.home.root), earlier=earlier), workshop
    )
    return exporter.texts, load(house.home.datasets / dataset["dataset"], workshop.keys)


def test_a_hundred_passages_are_compared_also_where_fewer_were_kept_back(tmp_path: Path) -> None:
    texts, dataset = compared(tmp_path, "embedding", ALL)
    assert 0 < len({pair.passage for pair in dataset.pairs("test")}) < 100
    assert len(texts) == len(set(texts)) == 100


@pytest.mark.parametrize(("target", "most"), [("embedding", 100), ("expansion", 10)])
def test_without_consent_to_evaluate_the_file_is_compared_on_what_was_trained_on(
    tmp_path: Path, target: Target, most: int
) -> None:
    texts, dataset = compared(tmp_path, target, ("embed", "expand"))
    assert dataset.test == ()
    assert len(texts) == most
