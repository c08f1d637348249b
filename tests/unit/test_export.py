"""The exported file has its place among the releases' models, whatever its base is called."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("transformers")
pytestmark = pytest.mark.ml

from config.paths import Home
from jobs import base_gguf, export
from jobs.domain.artifacts import BaseModel, ExportedModel, LiveModel, Parity, ReleaseMetadata, TrainedModel
from jobs.domain.prompts import is_qwen_embedding
from jobs.release_publishing import publish_release
from jobs.wire import JobSpec
from tests.learnt import Learnt
from tests.unit.adapters.test_model_directory import model


class Exporter:
    """Its GGUF is the model's own bytes."""

    def tool_version(self) -> str:
        return "1"

    def export(self, model: Path, quantisation: str, gguf: Path) -> None:
        gguf.write_bytes((model / "model.safetensors").read_bytes())

    def embedding_parity(self, *_: object) -> Parity:
        return Parity(measures={}, problems=())


@pytest.mark.parametrize("name", ["small", "org/small", "{folder}/bases/small", "{folder}/bases/small/", "~/b/small"])
def test_a_model_of_any_base_travels_with_its_release(tmp_path: Path, name: str) -> None:
    house = Learnt(tmp_path)
    house.write(*(f"{number}.md" for number in range(6)))
    house.classify(notes="public")
    exported = exported_from(name.format(folder=tmp_path), house, tmp_path / "trained")
    assert Path(exported.gguf) == house.releases.models / f"small-{exported.sha256[:12]}.gguf"
    live = LiveModel(base=name, gguf=exported.gguf, sha256=exported.sha256)
    metadata = ReleaseMetadata(name="v1", created_at=datetime.now(UTC), targets={"embedding": live})
    release = publish_release(house.releases, metadata, "", Path.touch)
    assert [file.name for file in (release / "models").iterdir()] == [Path(exported.gguf).name]
    assert exported.sha256 in (release / "SHA256SUMS").read_text()


def exported_from(name: str, house: Learnt, trained: Path) -> ExportedModel:
    trained.mkdir()
    (trained / "model.safetensors").write_bytes(b"weights")
    base = BaseModel(name=name, directory=str(trained), digest="d", kind="embedding")
    workshop = replace(house.workshop(), base_model=lambda _: base, exporter=Exporter)  # type: ignore[arg-type]
    model = TrainedModel(directory=str(trained), steps=1, seconds=1.0, final_loss=0.1, facts={})
    earlier = {"dataset": house.built().result, "train": msgspec.to_builtins(model)}
    spec = JobSpec(job=1, run=1, stage="export", target="embedding", home=str(house.home.root), earlier=earlier)
    return msgspec.convert(export.run(spec, workshop).result, ExportedModel)


def test_the_gguf_of_an_untrained_base_lies_in_the_folder_that_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    base = model(tmp_path / "mine")
    monkeypatch.setattr(base_gguf, "LlamaCppExporter", lambda **_: Exporter())
    for name in ("find_converter", "find_node", "find_qmd"):
        monkeypatch.setattr(base_gguf, name, lambda *_: Path())
    made = base_gguf.make(Home(root=tmp_path / "home"), "embedding", str(base), tmp_path / "out")
    assert made.parent == tmp_path / "out" and made.name.startswith(f"{base.name}-")
    assert sorted(tmp_path.glob("**/*.gguf")) == [made]


def test_the_prompts_trained_with_are_those_of_the_file_that_is_served() -> None:
    """QMD looks for both words in the whole path of the GGUF, which keeps only the last part of the base's name."""
    in_folders = BaseModel(name="/qwen/embedders/small", directory="", digest="d", kind="embedding")
    assert is_qwen_embedding(in_folders.name) and not is_qwen_embedding(in_folders.stem)
