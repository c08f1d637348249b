"""Tokens are counted as QMD counts them: of the text alone, whatever the tokenizer was set to do in training."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.adapters import token_counter as adapter
from jobs.adapters.token_counter import TokenCounter, token_counter
from jobs.dataset.passages import MOST_TOKENS, cut
from jobs.domain.errors import BadInput

pytestmark = pytest.mark.ml


@pytest.fixture
def bases(tmp_path: Path) -> Path:
    """A base called ``small`` whose words are "ice", "[MASK]" and single letters, set to cut after two tokens."""
    tokenizers = pytest.importorskip("tokenizers")
    words = {word: number for number, word in enumerate(["[UNK]", "[MASK]", "ice", *"[]mask", "##a", "##s", "##k"])}
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(words, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(["[MASK]"])
    made.enable_truncation(2)
    made.enable_padding(length=2)
    (tmp_path / "small").mkdir()
    made.save(str(tmp_path / "small" / "tokenizer.json"))
    return tmp_path


def test_a_text_is_counted_whole_and_without_padding(bases: Path) -> None:
    counter = token_counter(bases, "small")
    assert counter is not None
    assert [counter.count(text) for text in ("ice", "ice " * 1000, "")] == [1, 1000, 0]


def test_a_special_token_that_a_text_spells_out_is_text(bases: Path) -> None:
    counter = token_counter(bases, str(bases / "small"))
    assert counter is not None and counter.count("[MASK]") > 1


def test_a_text_dense_in_tokens_is_cut_again(bases: Path) -> None:
    counter = token_counter(bases, "small")
    assert counter is not None
    text = "[][]" * 600
    assert len(cut(text)) == 1 and counter.count(text) == 2400
    assert all(counter.count(passage.text) <= MOST_TOKENS for passage in cut(text, counter.count))


def test_another_tokenizer_is_told_by_its_digest(bases: Path) -> None:
    file = bases / "small" / "tokenizer.json"
    before = TokenCounter(file).digest
    assert TokenCounter(file).digest == before
    file.write_text(file.read_text() + "\n")
    assert TokenCounter(file).digest != before


def test_nobody_counts_where_base_or_package_is_missing(
    bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert token_counter(tmp_path, "not-here") is None and token_counter(tmp_path, "./here") is None
    monkeypatch.setattr(adapter, "find_spec", lambda name: None)
    assert token_counter(bases, "small") is None


def test_a_damaged_tokenizer_is_told_with_what_to_do(bases: Path) -> None:
    (bases / "small" / "tokenizer.json").write_text("{}")
    counter = token_counter(bases, "small")
    assert counter is not None
    with pytest.raises(BadInput, match=r"tokenizer\.json is no tokenizer") as refusal:
        counter.count("ice")
    assert "iaipctl models fetch" in refusal.value.remedy
