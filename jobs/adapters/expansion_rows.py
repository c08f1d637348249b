"""From expansions to what a language model is trained on: token ids, and where the answer begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from jobs.domain.examples import Expansion
from jobs.domain.prompts import EXPANSION_SYSTEM_MESSAGE, expansion_answer, expansion_message

PADDING = 0  # any token will do: nothing attends to it and no loss is taken on it


class ChatTokenizer(Protocol):
    """A base model's tokenizer with its chat template."""

    @property
    def end_of_turn(self) -> int:
        """The token that ends the assistant's answer."""
        ...

    def prompt(self, system: str, user: str) -> list[int]:
        """The tokens the model has read when it begins its answer to one message of the user's."""
        ...

    def tokens(self, text: str) -> list[int]:
        """Plain text, with no special token added."""
        ...


class Row(Struct, frozen=True, kw_only=True):
    """``tokens[:prompt]`` is what the model is asked, ``tokens[prompt:]`` what it should answer (never empty)."""

    tokens: tuple[int, ...]
    prompt: int


class Batch(Struct, frozen=True, kw_only=True):
    """Rows padded on the right to one width. ``prompts`` and ``lengths`` count each row's tokens."""

    tokens: tuple[tuple[int, ...], ...]
    prompts: tuple[int, ...]
    lengths: tuple[int, ...]

    @property
    def width(self) -> int:
        return len(self.tokens[0])

    @property
    def answer_tokens(self) -> int:
        """The tokens that are learned."""
        return sum(self.lengths) - sum(self.prompts)


def prompt_tokens(query: str, tokenizer: ChatTokenizer) -> list[int]:
    """What QMD hands to its expansion model for ``query``."""
    return tokenizer.prompt(EXPANSION_SYSTEM_MESSAGE, expansion_message(query))


def row_of(expansion: Expansion, tokenizer: ChatTokenizer, max_tokens: int) -> Row | None:
    """The row of an expansion, cut after ``max_tokens``; none if the cut leaves nothing of the answer."""
    prompt = prompt_tokens(expansion.query, tokenizer)
    answer = tokenizer.tokens(expansion_answer((line.kind, line.text) for line in expansion.lines))
    whole = (*prompt, *answer, tokenizer.end_of_turn)
    if not answer or len(prompt) >= max_tokens:
        return None
    return Row(tokens=whole[:max_tokens], prompt=len(prompt))


def rows_of(expansions: Sequence[Expansion], tokenizer: ChatTokenizer, max_tokens: int) -> tuple[Row, ...]:
    """The rows of all expansions that leave something to learn, in order."""
    rows = (row_of(expansion, tokenizer, max_tokens) for expansion in expansions)
    return tuple(row for row in rows if row is not None)


def batch_of(rows: Sequence[Row], *, multiple: int = 1) -> Batch:
    """Pads ``rows`` to the longest, rounded up to a ``multiple`` (compilers like few different widths)."""
    longest = max(len(row.tokens) for row in rows)
    width = -(-longest // multiple) * multiple
    return Batch(
        tokens=tuple(row.tokens + (PADDING,) * (width - len(row.tokens)) for row in rows),
        prompts=tuple(row.prompt for row in rows),
        lengths=tuple(len(row.tokens) for row in rows),
    )
