"""What LoRA training reads and writes on disk, whatever library trains: the base, and the model merged into it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec

from jobs.adapters.model_directory import check_exportable
from jobs.domain.errors import BadInput, ToolFailed

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_COPIED = frozenset({".json", ".jinja", ".txt", ".model"})


def require_trainable(base: Path) -> None:
    """Raises BadInput unless ``base`` holds an unquantised model in Hugging Face layout with its tokenizer.

    What is merged into a quantised base is lost, so there is no way round this.
    """
    check_exportable(base)
    config = msgspec.json.decode((base / "config.json").read_bytes(), type=dict[str, Any])
    if "rope_theta" in (config.get("rope_parameters") or {}) and "rope_theta" not in config:
        # MLX reads the top-level key alone and quietly computes with 10000 where it is missing.
        raise BadInput(
            f"the config.json in {base} lacks its top-level rope_theta",
            remedy="copy rope_theta from its rope_parameters to the top level, or fetch the base again",
        )


def weight_files(directory: Path) -> list[Path]:
    """The safetensors files of a model, in order."""
    return sorted(directory.glob("*.safetensors"))


def copy_all_but_weights(base: Path, merged: Path) -> None:
    """Configuration, tokenizer, chat template and weight index, byte for byte."""
    for file in sorted(base.iterdir()):
        if file.is_file() and file.suffix in _COPIED:
            shutil.copyfile(file, merged / file.name)


def require_all_merged(missing: set[str], base: Path) -> None:
    """``missing`` are adapted weights that no file of the base holds. Raises ToolFailed if there are any."""
    if missing:
        raise ToolFailed(
            f"{len(missing)} adapted weights, such as {min(missing)}, are not in the files of {base}",
            remedy="this base names its weights in a way that cannot be merged: choose another in config.toml",
        )
