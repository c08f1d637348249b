"""The prompts, word for word as QMD's own functions write them."""

from __future__ import annotations

import pytest

from jobs.domain.prompts import embedding_document, embedding_query, expansion_message


@pytest.mark.parametrize("model", ["all-minilm-l6-v2", "/models/embeddinggemma-300M-Q8_0.gguf", "qwen3-1.7b"])
def test_most_models_are_asked_in_the_task_format(model: str) -> None:
    assert embedding_query("spring thaw", model) == "task: search result | query: spring thaw"
    assert embedding_document("Lakes", "Ice leaves.", model) == "title: Lakes | text: Ice leaves."
    assert embedding_document("", "Ice leaves.", model) == "title: none | text: Ice leaves."


@pytest.mark.parametrize(
    "model", ["/models/Qwen3-Embedding-0.6B.gguf", "hf:x/my-embedder/QWEN.gguf", "/qmd-embed/qwen/model.gguf"]
)
def test_a_path_with_both_words_anywhere_is_asked_in_qwens_format(model: str) -> None:
    assert embedding_query("spring thaw", model) == (
        "Instruct: Retrieve relevant documents for the given query\nQuery: spring thaw"
    )
    assert embedding_document("Lakes", "Ice leaves.", model) == "Lakes\nIce leaves."
    assert embedding_document("", "Ice leaves.", model) == "Ice leaves."


def test_the_expansion_model_gets_the_query_alone() -> None:
    assert expansion_message("spring thaw") == "/no_think Expand this search query: spring thaw"
