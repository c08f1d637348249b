"""An embedding model on its device, as training, averaging and saving need it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from config.settings import EmbeddingRecipe
from jobs.adapters.safetensors_files import require_whole_weights
from jobs.domain.artifacts import BaseModel
from jobs.domain.errors import Stopped
from jobs.domain.retrieval import (
    Vectors,
)
from jobs.ports import ShouldStop
from jobs.publish import published_directory

_QMD_CONTEXT = 2048
"""QMD embeds so many tokens of a text at most, or as many as the model has positions (its src/llm.ts)."""
_ENCODED_AT_ONCE = 512
_ENCODED_TOGETHER = 32


class EmbeddingModel:
    """A model on its device, with its base's weights kept beside it."""

    def __init__(self, base: BaseModel, recipe: EmbeddingRecipe, should_stop: ShouldStop) -> None:
        self.recipe = recipe
        self.should_stop = should_stop
        self.device = _device()
        self.bfloat16 = _bfloat16(recipe, self.device)
        self.model = SentenceTransformer(
            base.directory,
            device=self.device,
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"dtype": torch.float32, "use_safetensors": True},
        )
        # With a "message" modality the text would go through a chat template, which QMD never does.
        self.model[0].modality_config.pop("message", None)
        _switch_off_dropout(self.model)
        self.context = min(_QMD_CONTEXT, _positions(self.model))
        self.model.max_seq_length = min(recipe.max_tokens, self.context)
        self.base_weights = copied(self.model.state_dict())
        self.tuned_weights = self.base_weights

    def load_share(self, share: float) -> None:
        """Puts ``share`` of the tuned and the rest of the base's weights into the model."""
        mixed = {
            name: torch.lerp(base, self.tuned_weights[name], share) if base.is_floating_point() else base
            for name, base in self.base_weights.items()
        }
        self.model.load_state_dict(mixed)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One vector of length 1 a text. Raises Stopped between parts."""
        order = sorted(range(len(texts)), key=lambda index: -len(texts[index]))
        vectors = np.zeros((len(texts), self.model.get_embedding_dimension() or 0), dtype=np.float32)
        for start in range(0, len(texts), _ENCODED_AT_ONCE):
            self.stop_if_asked()
            part = order[start : start + _ENCODED_AT_ONCE]
            with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.bfloat16):
                encoded = self.model.encode(
                    [texts[index] for index in part],
                    batch_size=_ENCODED_TOGETHER,
                    normalize_embeddings=True,
                    show_progress_bar=False,
                    convert_to_numpy=False,
                    convert_to_tensor=True,
                )
            vectors[part] = encoded.float().cpu().numpy()
        return vectors

    def stop_if_asked(self) -> None:
        if self.should_stop():
            raise Stopped("the training was asked to stop", remedy="it goes on from its checkpoint at the next run")

    def save(self, directory: Path) -> None:
        """Writes the model as it will serve: with the whole context QMD gives it. No card: it would quote examples."""
        self.model.max_seq_length = self.context
        with published_directory(directory, verify=require_whole_weights) as stage:
            self.model.save_pretrained(str(stage), create_model_card=False, safe_serialization=True)


def _device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _bfloat16(recipe: EmbeddingRecipe, device: str) -> bool:
    """Processors with bfloat16 instructions train twice as fast with it, others slower; Metal is unmeasured."""
    if recipe.precision != "auto":
        return recipe.precision == "bfloat16"
    if device == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return device == "cuda" and bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _switch_off_dropout(model: SentenceTransformer) -> None:
    """A few gentle epochs don't overfit for want of it, and attention with dropout is written out in full.

    Measured on MiniLM, batch 32, 254 tokens, bfloat16, one core: a step takes 3.2 s and 2.2 GB without
    dropout, 7.7 s and 4.6 GB with it.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0


def _positions(model: SentenceTransformer) -> int:
    config = model[0].auto_model.config
    return int(getattr(config, "max_position_embeddings", _QMD_CONTEXT))


def copied(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in weights.items()}
