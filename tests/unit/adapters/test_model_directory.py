"""A model directory is refused before any work is spent on it, with what to do instead."""

from __future__ import annotations

import struct
from pathlib import Path

import msgspec
import pytest

from jobs.adapters.model_directory import check_exportable, has_dense_modules, pooling_of
from jobs.domain.errors import BadInput


def safetensors(dtypes: dict[str, str]) -> bytes:
    entries = {name: {"dtype": dtype, "shape": [0], "data_offsets": [0, 0]} for name, dtype in dtypes.items()}
    header = msgspec.json.encode(entries | {"__metadata__": {"format": "pt"}})
    return struct.pack("<Q", len(header)) + header


def model(folder: Path, config: dict[str, object] | None = None, weights: bytes | None = None) -> Path:
    (folder / "config.json").write_bytes(msgspec.json.encode(config or {"model_type": "bert"}))
    (folder / "tokenizer.json").write_text("{}")
    sound = safetensors({"layer.weight": "BF16", "embeddings.position_ids": "I64"})
    (folder / "model.safetensors").write_bytes(sound if weights is None else weights)
    return folder


def with_modules(folder: Path, *kinds: str) -> Path:
    modules = [{"idx": place, "path": f"{place}_{kind}", "type": f"x.y.{kind}"} for place, kind in enumerate(kinds)]
    (folder / "modules.json").write_bytes(msgspec.json.encode(modules))
    return folder


def test_a_whole_unquantised_model_is_accepted(tmp_path: Path) -> None:
    check_exportable(model(tmp_path))


@pytest.mark.parametrize(
    ("config", "weights"),
    [
        ({"quantization_config": {"bits": 4}}, None),
        ({"quantization": {"group_size": 64, "bits": 4}}, None),
        ({"dtype": "uint8"}, None),
        ({"torch_dtype": "float8_e4m3fn"}, None),
        ({"model_type": "llama"}, safetensors({"layer.weight": "U32", "layer.scales": "F16"})),
        ({"model_type": "llama"}, safetensors({"layer.weight": "F8_E4M3"})),
    ],
)
def test_a_quantised_base_is_refused(tmp_path: Path, config: dict[str, object], weights: bytes | None) -> None:
    with pytest.raises(BadInput, match="quantised") as refusal:
        check_exportable(model(tmp_path, config, weights))
    assert "unquantised" in refusal.value.remedy


@pytest.mark.parametrize("absent", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(tmp_path: Path, absent: str) -> None:
    (model(tmp_path) / absent).unlink()
    with pytest.raises(BadInput, match=absent.removeprefix("model.").removesuffix(".json")):
        check_exportable(tmp_path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pkl", "model.ckpt"])
def test_a_base_of_pickles_is_refused_whole_or_in_one_module(tmp_path: Path, name: str) -> None:
    whole, module = tmp_path / "whole", tmp_path / "module"
    whole.mkdir()
    (model(whole) / "model.safetensors").rename(whole / name)
    with pytest.raises(BadInput, match="pickles are not read"):
        check_exportable(whole)
    (module / "2_Dense").mkdir(parents=True)
    (module / "2_Dense" / name).write_bytes(b"\x80\x04.")
    with pytest.raises(BadInput, match=f"2_Dense/{name}.*pickles are not read"):
        check_exportable(model(module))


def test_a_pickle_beside_its_safetensors_is_only_ignored(tmp_path: Path) -> None:
    (tmp_path / "training_args.bin").write_bytes(b"\x80\x04.")
    check_exportable(model(tmp_path))


def test_the_weights_of_every_module_are_checked(tmp_path: Path) -> None:
    (tmp_path / "2_Dense").mkdir()
    (tmp_path / "2_Dense" / "model.safetensors").write_bytes(b"\xff" * 8)
    with pytest.raises(BadInput, match="not a whole safetensors file"):
        check_exportable(model(tmp_path))


@pytest.mark.parametrize("weights", [b"", b"\xff" * 8, struct.pack("<Q", 900) + b"{", struct.pack("<Q", 2) + b"[]"])
def test_broken_weights_are_bad_input(tmp_path: Path, weights: bytes) -> None:
    with pytest.raises(BadInput, match="not a whole safetensors file"):
        check_exportable(model(tmp_path, weights=weights))


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_cls_token": True}, "cls"),
        ({"pooling_mode_lasttoken": True}, "last"),
        ({"pooling_mode": "lasttoken"}, "last"),
        ({"pooling_mode": "mean"}, "mean"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, "cls+mean"),
        ({}, "none"),
    ],
)
def test_both_forms_of_the_pooling_file_are_read(tmp_path: Path, config: dict[str, object], pooling: str) -> None:
    with_modules(tmp_path, "Transformer", "Pooling", "Normalize")
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling/config.json").write_bytes(msgspec.json.encode(config))
    assert pooling_of(tmp_path) == pooling


def test_dense_modules_are_seen_by_their_kind(tmp_path: Path) -> None:
    assert not has_dense_modules(tmp_path)
    assert pooling_of(tmp_path) == "none"
    assert not has_dense_modules(with_modules(tmp_path, "Transformer", "Pooling", "Normalize"))
    assert has_dense_modules(with_modules(tmp_path, "Transformer", "Pooling", "Dense", "Dense", "Normalize"))
