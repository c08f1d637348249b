"""Reads what a Hugging Face or sentence-transformers model directory says of itself. Needs no ML library."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from jobs.adapters.safetensors_files import read_safetensors
from jobs.domain.errors import BadInput
from jobs.domain.room import ModelShape

_Kind = TypeVar("_Kind")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.txt", "vocab.json")
_WHOLE_DTYPES = frozenset({"F64", "F32", "F16", "BF16"})
_UNQUANTISED = "Choose the unquantised (safetensors, 16 or 32 bit) form of this base in config.toml."
_FETCH_AGAIN = "Fetch the base again with `iaipctl models fetch NAME`, or choose another base in config.toml."
_PICKLES = frozenset({".bin", ".ckpt", ".pkl", ".pt", ".pth"})
_POOLING_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_lasttoken": "last",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weighted mean",
}


class _Module(Struct, frozen=True):
    path: str
    type: str


def check_exportable(model: Path) -> None:
    """Raises BadInput, with the remedy, unless the directory holds an unquantised model with its tokenizer."""
    config = _read(model / "config.json", dict[str, Any])
    quantised = next((key for key in ("quantization_config", "quantization") if config.get(key)), None)
    if quantised:
        raise BadInput(f"the base in {model} is quantised ({quantised} in config.json)", remedy=_UNQUANTISED)
    dtype = str(config.get("dtype") or config.get("torch_dtype") or "")
    if "int" in dtype or "float8" in dtype:
        raise BadInput(f"the base in {model} is quantised (its dtype is {dtype})", remedy=_UNQUANTISED)
    if not any((model / name).is_file() for name in _TOKENIZERS):
        raise BadInput(f"the model in {model} has no tokenizer (no {', '.join(_TOKENIZERS)})", remedy=_FETCH_AGAIN)
    weights = sorted(model.glob("*.safetensors"))
    if not weights:
        raise BadInput(f"the model in {model} has no safetensors weights; pickles are not read", remedy=_FETCH_AGAIN)
    for file in sorted(model.rglob("*.safetensors")):
        _check_weights(file)
    _refuse_pickles(model)


def has_dense_modules(model: Path) -> bool:
    """Whether sentence-transformers puts Dense layers after the pooling (embeddinggemma does)."""
    return any(module.type.rpartition(".")[2] == "Dense" for module in _modules(model))


def pooling_of(model: Path) -> str:
    """``mean``, ``cls`` or ``last``; several joined by ``+``, and ``none`` where the model has no Pooling module.

    Reads both forms of 1_Pooling/config.json: one flag a mode, and (since sentence-transformers 5) one word.
    """
    folder = next((module.path for module in _modules(model) if module.type.endswith("Pooling")), None)
    if folder is None:
        return "none"
    config = _read(model / folder / "config.json", dict[str, Any])
    if isinstance(config.get("pooling_mode"), str):
        return "last" if config["pooling_mode"] == "lasttoken" else str(config["pooling_mode"])
    return "+".join(name for flag, name in _POOLING_FLAGS.items() if config.get(flag)) or "none"


def weights_size(model: Path) -> int:
    """Bytes of all safetensors files."""
    return sum(file.stat().st_size for file in model.glob("*.safetensors"))


def shape_of(model: Path) -> ModelShape:
    """The size of a model directory and of its weights, from the headers. Raises BadInput for a damaged one."""
    tensors = {tensor.name: tensor.shape for file in model.glob("*.safetensors") for tensor in read_safetensors(file)}
    weights = weights_size(model)
    whole = sum(file.stat().st_size for file in model.rglob("*") if file.is_file())
    return shape_of_tensors(tensors, weights=weights, beside=whole - weights)


def shape_of_tensors(tensors: Mapping[str, tuple[int, ...]], *, weights: int, beside: int) -> ModelShape:
    """``tensors`` by name, as safetensors or GGUF name them: matrices of layers are the projections."""
    inside = [
        shape for name, shape in tensors.items() if len(shape) == 2 and ("layers." in name or name.startswith("blk."))
    ]
    return ModelShape(
        parameters=sum(map(prod, tensors.values())),
        weights=weights,
        beside=beside,
        projections=sum(map(prod, inside)),
        sides=sum(map(sum, inside)),
    )


def _modules(model: Path) -> list[_Module]:
    file = model / "modules.json"
    return _read(file, list[_Module]) if file.exists() else []


def _check_weights(file: Path) -> None:
    """Weight tensors must be floating point of 16 bits or more (positions and the like may be integers)."""
    for tensor in read_safetensors(file):
        if tensor.name.endswith(("weight", "scales")) and tensor.dtype not in _WHOLE_DTYPES:
            raise BadInput(f"the base is quantised: {tensor.name} in {file} is {tensor.dtype}", remedy=_UNQUANTISED)


def _refuse_pickles(model: Path) -> None:
    """A library that finds no safetensors in a module's folder would load the pickle there, which runs code."""
    for file in model.rglob("*"):
        if file.suffix in _PICKLES and not any(file.parent.glob("*.safetensors")):
            raise BadInput(
                f"the model in {model} has pickles without safetensors beside them ({file.relative_to(model)});"
                " pickles are not read",
                remedy=_FETCH_AGAIN,
            )


def _read(file: Path, kind: type[_Kind]) -> _Kind:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        raise BadInput(f"{file} is missing or not what it should be ({error})", remedy=_FETCH_AGAIN) from error
