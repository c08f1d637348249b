"""A real GGUF of a tiny BERT with random weights: QMD loads it in a moment and its vectors are always the same."""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np
from gguf import GGUFWriter

_CHARACTERS = string.ascii_lowercase + string.digits + string.punctuation
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_WORDS = ["dog", "cat", "note", "title", "text", "task", "search", "result", "query", "none"]
_FEED_FORWARD = 64
_HEADS = 2
_LAYERS = 1


def write_tiny_bert(path: Path, *, dimensions: int, seed: int, context: int = 512) -> Path:
    """Writes a mean-pooling BERT whose tokens are letters and a few words; ``context`` positions."""
    writer = GGUFWriter(str(path), "bert")
    tokens = _SPECIAL + [f"▁{text}" for text in (*_WORDS, *_CHARACTERS)] + list(_CHARACTERS)
    _add_metadata(writer, tokens, dimensions, context)
    rng = np.random.default_rng(seed)
    for name, shape in _shapes(dimensions, context, len(tokens)).items():
        values = rng.normal(0, 0.5, shape).astype(np.float32)
        writer.add_tensor(name, np.ones(shape, np.float32) if name.endswith("norm.weight") else values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_metadata(writer: GGUFWriter, tokens: list[str], dimensions: int, context: int) -> None:
    writer.add_context_length(context)
    writer.add_embedding_length(dimensions)
    writer.add_feed_forward_length(_FEED_FORWARD)
    writer.add_block_count(_LAYERS)
    writer.add_head_count(_HEADS)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_uint32("bert.pooling_type", 1)
    writer.add_token_type_count(2)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("jina-v2-en")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(_SPECIAL) + [1] * (len(tokens) - len(_SPECIAL)))
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(3)
    writer.add_sep_token_id(3)
    writer.add_mask_token_id(4)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)


def _shapes(dimensions: int, context: int, vocabulary: int) -> dict[str, tuple[int, ...]]:
    vector = (dimensions,)
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (vocabulary, dimensions),
        "position_embd.weight": (context, dimensions),
        "token_types.weight": (2, dimensions),
        "token_embd_norm.weight": vector,
        "token_embd_norm.bias": vector,
    }
    for layer in range(_LAYERS):
        block: dict[str, tuple[int, ...]] = {
            f"attn_{part}.weight": (dimensions, dimensions) for part in ("q", "k", "v", "output")
        }
        block |= {f"attn_{part}.bias": vector for part in ("q", "k", "v", "output")}
        block |= {
            f"{part}_norm.{kind}": vector for part in ("attn_output", "layer_output") for kind in ("weight", "bias")
        }
        block |= {"ffn_up.weight": (_FEED_FORWARD, dimensions), "ffn_up.bias": (_FEED_FORWARD,)}
        block |= {"ffn_down.weight": (dimensions, _FEED_FORWARD), "ffn_down.bias": vector}
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in block.items()}
    return shapes
