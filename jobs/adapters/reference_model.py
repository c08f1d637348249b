"""What a trained model computes by itself, in float32 on the processor: the measure for its exported file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModelForCausalLM

from jobs.adapters.model_directory import weights_size
from jobs.domain.errors import BadInput

_BATCH = 8
_MOST_IN_FLOAT32 = 3_000_000_000
"""Bytes of weights. Bigger models stay in the precision they are stored in, to fit into memory."""


class ReferenceEmbedder:
    """A sentence-transformers model. Raises BadInput if the directory cannot be loaded."""

    def __init__(self, model: Path) -> None:
        try:
            self._model = SentenceTransformer(
                str(model), device="cpu", local_files_only=True, trust_remote_code=False, model_kwargs=_loading(model)
            )
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise _unloadable(model, error) from error
        self.longest = int(self._model.max_seq_length or 512)
        """How many tokens of a text it reads, special ones included."""
        self.special_tokens = tuple(str(token) for token in self._model.tokenizer.all_special_tokens)

    def cut(self, text: str, most_tokens: int) -> str:
        """The longest easily found beginning of the text that has no more than so many tokens."""
        while (count := len(self._model.tokenizer(text, truncation=False, verbose=False)["input_ids"])) > most_tokens:
            text = text[: min(len(text) - 1, len(text) * most_tokens // count)]
        return text

    def tokens(self, text: str) -> tuple[int, ...]:
        """The ids it feeds its first module, special ones included."""
        return tuple(int(token) for token in self._model.preprocess([text])["input_ids"][0])

    def vectors(self, texts: Sequence[str]) -> list[tuple[float, ...]]:
        """Its vectors of the texts as they stand, no prompt added."""
        rows = self._model.encode(list(texts), prompt="", batch_size=_BATCH, show_progress_bar=False)
        return [tuple(float(value) for value in row) for row in rows]


class ReferenceGenerator:
    """A causal language model. Raises BadInput if the directory cannot be loaded."""

    def __init__(self, model: Path) -> None:
        try:
            self._model: Any = AutoModelForCausalLM.from_pretrained(
                str(model), local_files_only=True, trust_remote_code=False, **_loading(model)
            )
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise _unloadable(model, error) from error

    def continuation(self, prompt: Sequence[int], most: int) -> tuple[int, ...]:
        """Its own greedy answer to the prompt, up to ``most`` tokens or its end-of-text token."""
        endings = self._model.generation_config.eos_token_id
        endings = endings if isinstance(endings, list) else [endings]
        answer: list[int] = []
        step = torch.tensor([list(prompt)])
        memory = None
        with torch.inference_mode():
            while len(answer) < most and (not answer or answer[-1] not in endings):
                output = self._model(step, past_key_values=memory, use_cache=True)
                memory = output.past_key_values
                answer.append(int(output.logits[0, -1].argmax()))
                step = torch.tensor([answer[-1:]])
        return tuple(answer)


def _loading(model: Path) -> dict[str, object]:
    """Safetensors only: a pickle runs code when it is loaded."""
    return {"use_safetensors": True, "dtype": "float32" if weights_size(model) <= _MOST_IN_FLOAT32 else "auto"}


def _unloadable(model: Path, error: Exception) -> BadInput:
    return BadInput(
        f"the model in {model} cannot be loaded: {str(error)[:300]}",
        remedy="Check that its files are whole, or choose another base in config.toml.",
    )
