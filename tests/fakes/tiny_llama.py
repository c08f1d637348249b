"""A real Llama, too small to know anything: two layers with random weights and a tokenizer of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jobs.domain.prompts import EXPANSION_SYSTEM_MESSAGE, expansion_message


def write_tiny_llama(directory: Path) -> Path:
    """Writes a model in Hugging Face layout."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = small_tokenizer()
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        initializer_range=0.2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    tokenizer.save_pretrained(directory)
    return saved(LlamaForCausalLM(config), directory)


def saved(model: Any, directory: Path) -> Path:
    """As models are published: with the rotary base where MLX looks for it."""
    model.save_pretrained(directory)
    file = directory / "config.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps({**settings, "rope_theta": settings["rope_parameters"]["rope_theta"]}))
    return directory


def small_tokenizer() -> Any:
    """Byte pairs learned from the prompt itself, and ChatML around the turns, as SmolLM2 writes them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learner = trainers.BpeTrainer(
        vocab_size=500, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([EXPANSION_SYSTEM_MESSAGE, expansion_message("ice on lake")] * 2, learner)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>", unk_token="<|endoftext|>"
    )
    wrapped.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return wrapped
