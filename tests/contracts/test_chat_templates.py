"""A chat template is rendered in Jinja's immutable sandbox: what reaches out of it is refused in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

tokenizers = pytest.importorskip("tokenizers")
pytest.importorskip("transformers")

from jobs.adapters.chat_tokenizer import HuggingFaceChat
from jobs.domain.errors import BadInput

pytestmark = pytest.mark.ml

PLAIN = "{% for m in messages %}{{ m['content'] }}{% endfor %}"


def base(folder: Path, template: str) -> Path:
    words = tokenizers.models.WordLevel({"[UNK]": 0, "hello": 1}, unk_token="[UNK]")
    tokenizers.Tokenizer(words).save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "chat_template.jinja").write_text(template)
    return folder


def test_a_plain_template_is_rendered(tmp_path: Path) -> None:
    assert HuggingFaceChat(base(tmp_path, PLAIN)).prompt("", "hello") == [1]


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{% for i in range(10 ** 12) %}x{% endfor %}",
        "{% set _ = messages.append(1) %}",
        "{% if %}",
    ],
)
def test_a_template_that_reaches_out_is_refused(tmp_path: Path, template: str) -> None:
    with pytest.raises(BadInput, match="chat template cannot be rendered") as refusal:
        HuggingFaceChat(base(tmp_path, template)).prompt("", "hello")
    assert "config.toml" in refusal.value.remedy
