"""A real Llama with SmolLM2's tokenizer and two layers, which has learned one answer by heart.

Its next tokens are no near-ties, so that a quantised copy agrees with it as a grown model's does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jobs.adapters.chat_tokenizer import HuggingFaceChat
from jobs.adapters.expansion_rows import prompt_tokens
from tests.fakes.tiny_llama import saved

QUERIES = ("how to dry sage", "où trouver les clés du canot", "route of the winter road")
ANSWER = "lex: winter road route map\nvec: where the winter road goes\nhyde: The winter road follows the shore."


def smollm2_tokenizer(gguf: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)


def write_schooled_llama(
    directory: Path, tokenizer: Any, *, seed: int, queries: Sequence[str] = QUERIES, steps: int = 30
) -> Path:
    """Writes a model in Hugging Face layout that was taught with these queries."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    shape = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": True}
    special = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **shape, **heads, **special))
    tokenizer.save_pretrained(directory)
    chat = HuggingFaceChat(directory)
    rows = [torch.tensor([prompt_tokens(query, chat) + chat.tokens(ANSWER)]) for query in queries]
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for step in range(steps):
        row = rows[step % len(rows)]
        optimizer.zero_grad()
        model(input_ids=row, labels=row).loss.backward()
        optimizer.step()
    return saved(model, directory)
