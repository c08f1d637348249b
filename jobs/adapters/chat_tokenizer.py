"""A base model's own tokenizer and chat template, read with transformers."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from transformers import AutoTokenizer

from jobs.domain.errors import BadInput

_REMEDY = "choose an instruction-tuned base with its tokenizer and chat template ([expansion] base in config.toml)"
_SENTINEL = "the answer"
_CHATML = "<|im_start|>"


class HuggingFaceChat:
    """A ChatTokenizer. Raises BadInput when the directory has no tokenizer or no chat template."""

    def __init__(self, directory: Path) -> None:
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(
                directory, local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError) as error:
            raise BadInput(f"the base {directory.name} has no usable tokenizer", remedy=_REMEDY) from error
        if not self._tokenizer.chat_template:
            raise BadInput(f"the base {directory.name} has no chat template", remedy=_REMEDY)

    @cached_property
    def end_of_turn(self) -> int:
        """The first token the template writes after an answer, else the tokenizer's end of sequence."""
        turns = [{"role": "user", "content": "a question"}, {"role": "assistant", "content": _SENTINEL}]
        tail = self._rendered(turns, False).rpartition(_SENTINEL)[2]
        after = self.tokens(tail)
        return int(after[0] if after else self._tokenizer.eos_token_id)

    def prompt(self, system: str, user: str) -> list[int]:
        """As QMD serves it: node-llama-cpp writes a ChatML template by itself, after the model's BOS token if it has
        one (its src/chatWrappers/ChatMLChatWrapper.ts), although the template may begin with the same token."""
        turns = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        text = self._rendered(turns, True)
        start = self._tokenizer.bos_token_id
        lead = [start] if text.startswith(_CHATML) and start is not None else []
        return lead + self.tokens(text)

    def tokens(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def text(self, tokens: list[int]) -> str:
        """The text of ``tokens``, special ones left out."""
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True))

    def _rendered(self, turns: list[dict[str, str]], asks: bool) -> str:
        """transformers renders in Jinja's immutable sandbox: a template that reaches out of it is refused."""
        try:
            return str(self._tokenizer.apply_chat_template(turns, add_generation_prompt=asks, tokenize=False))
        except (TemplateError, OverflowError) as error:
            raise BadInput(
                f"the base's chat template cannot be rendered ({str(error)[:200]})", remedy=_REMEDY
            ) from error
