"""A real BERT, too small to know anything: two layers with random weights, made in a second."""

from __future__ import annotations

import json
from pathlib import Path

_WORDS = (
    "task search result query title none text river ice wolf map seed road lake bark line pump key sage north".split()
)


def write_tiny_bert(directory: Path) -> Path:
    """Writes a model in sentence-transformers layout (mean pooling, 32 dimensions, 64 positions)."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    raw = directory.parent / f"{directory.name}-raw"
    raw.mkdir(parents=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_WORDS, *":|", *"abcdefghijklmnopqrstuvwxyz0123456789"]
    vocabulary += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789"]
    (raw / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizerFast(vocab=str(raw / "vocab.txt"), model_max_length=64).save_pretrained(raw)
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(raw)
    transformer = Transformer(str(raw))
    model = SentenceTransformer(modules=[transformer, Pooling(32)], device="cpu")
    model.save_pretrained(str(directory), create_model_card=False)
    return directory


def layout_of(directory: Path) -> dict[str, object]:
    """The model's sentence_bert_config.json."""
    content: dict[str, object] = json.loads((directory / "sentence_bert_config.json").read_text(encoding="utf-8"))
    return content
