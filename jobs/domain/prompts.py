"""The texts QMD 2.8.3 hands to its models, word for word.

A model is trained on what it will be served, so training and serving share these functions.
Source: QMD's src/llm.ts (formatQueryForEmbedding, formatDocForEmbedding, expandQuery).
"""

from __future__ import annotations

import re

_QWEN_EMBEDDING = re.compile(r"qwen.*embed|embed.*qwen", re.IGNORECASE)


def is_qwen_embedding(model: str) -> bool:
    """Whether QMD serves ``model`` in Qwen3-Embedding's format.

    ``model`` is the whole path or URI in QMD's configuration: QMD looks for both words anywhere in it, folders included.
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
