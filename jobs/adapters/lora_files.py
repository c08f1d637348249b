"""What LoRA training reads and writes on disk, whatever library trains: the base, and the model merged into it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec

from jobs.domain.errors import BadInput

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_COPIED = frozenset({".json", ".jinja", ".txt", ".model"})
_FETCH = "choose another base ([expansion] base in config.toml) or prepare it again: iaipctl models fetch NAME"


def require_trainable(base: Path) -> None:
    """Raises BadInput unless ``base`` holds an unquantised model in Hugging Face layout with its tokenizer."""
    try:
        config = msgspec.json.decode((base / "config.json").read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError) as error:
        raise BadInput(f"the base {base.name} has no readable config.json", remedy=_FETCH) from error
    if "quantization" in config or "quantization_config" in config:
        raise BadInput(f"the base {base.name} is quantised: what is merged into it is lost", remedy=_FETCH)
    if not weight_files(base):
        raise BadInput(f"the base {base.name} has no safetensors weights", remedy=_FETCH)
    if not (base / "tokenizer.json").exists() and not (base / "tokenizer.model").exists():
        raise BadInput(f"the base {base.name} has no tokenizer", remedy=_FETCH)
    nested = config.get("rope_parameters") or {}
    if "rope_theta" in nested and "rope_theta" not in config:
        # MLX reads the top-level key alone and quietly computes with 10000 where it is missing.
        raise BadInput(f"the config.json of base {base.name} lacks its top-level rope_theta", remedy=_FETCH)


def weight_files(directory: Path) -> list[Path]:
    """The safetensors files of a model, in order."""
    return sorted(directory.glob("model*.safetensors"))


def copy_all_but_weights(base: Path, merged: Path) -> None:
    """Configuration, tokenizer, chat template and weight index, byte for byte."""
    for file in sorted(base.iterdir()):
        if file.is_file() and file.suffix in _COPIED:
            shutil.copyfile(file, merged / file.name)
