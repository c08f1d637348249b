"""The texts QMD 2.8.3 hands to its models, word for word.

A model is trained on what it will be served, so training and serving share these functions.
Source: QMD's src/llm.ts (formatQueryForEmbedding, formatDocForEmbedding, expandQuery).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_QWEN_EMBEDDING = re.compile(r"qwen.*embed|embed.*qwen", re.IGNORECASE)


def is_qwen_embedding(model: str) -> bool:
    """Whether QMD serves ``model`` in Qwen3-Embedding's format.

    ``model`` is the whole path or URI in QMD's configuration: QMD looks for both words anywhere in it,
    folders included.
    """
    return _QWEN_EMBEDDING.search(model) is not None


def embedding_query(query: str, model: str) -> str:
    """The text of a query as QMD embeds it with ``model`` (a path, a URI or a base's name)."""
    if is_qwen_embedding(model):
        return f"Instruct: Retrieve relevant documents for the given query\nQuery: {query}"
    return f"task: search result | query: {query}"


def embedding_document(title: str, text: str, model: str) -> str:
    """The text of a passage as QMD embeds it with ``model``. ``title`` may be empty."""
    if is_qwen_embedding(model):
        return f"{title}\n{text}" if title else text
    return f"title: {title or 'none'} | text: {text}"


def expansion_message(query: str) -> str:
    """The user's message with which QMD asks its expansion model; the model's own chat template goes around it."""
    return f"/no_think Expand this search query: {query}"


EXPANSION_SYSTEM_MESSAGE = (
    "You are a helpful, respectful and honest assistant. Always answer as helpfully as possible.\n"
    "If a question does not make any sense, or is not factually coherent, explain why instead of answering something "
    "incorrectly. If you don't know the answer to a question, don't share false information."
)
"""QMD's chat session names no system message, so node-llama-cpp 3.20 puts its own default before the user's message
(its src/config.ts, defaultChatSystemPrompt). A model trained without it meets another prompt than it learned."""


def expansion_answer(lines: Iterable[tuple[str, str]]) -> str:
    """The answer QMD's grammar admits for (kind, text) lines: each is ``kind: text`` and ends in a newline.

    The last newline matters: the grammar forbids the model to stop before it, so a model that never learned to
    stop after one goes on to the limit of 600 tokens.
    """
    return "".join(f"{kind}: {' '.join(text.split())}\n" for kind, text in lines)
