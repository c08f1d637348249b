"""A known base is held to its one chat template; others are the owner's choice."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from config.catalogue import read_catalogue
from jobs.adapters.chat_templates import require_known_template, template_digest
from jobs.domain.errors import BadInput

PINNED = "smollm2-135m-instruct"
TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}"


def base(folder: Path, template: object = TEMPLATE) -> Path:
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    return folder


def test_the_catalogue_is_whole_and_pins_the_packaged_generator() -> None:
    catalogue = read_catalogue()
    assert len(catalogue[PINNED].chat_template) == 64
    assert catalogue["qwen3-embedding-0.6b"].repository == "Qwen/Qwen3-Embedding-0.6B"
    assert all(bool(entry.package) != bool(entry.repository) for entry in catalogue.values())


def test_another_template_under_a_known_name_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not the one this product knows") as refusal:
        require_known_template(PINNED, base(tmp_path))
    assert str(tmp_path) in refusal.value.remedy


def test_a_known_base_without_its_template_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="none instead of"):
        require_known_template(PINNED, tmp_path)


def test_a_base_of_the_owners_is_their_choice(tmp_path: Path) -> None:
    require_known_template(str(tmp_path), base(tmp_path))
    require_known_template("all-minilm-l6-v2", base(tmp_path))


def test_the_digest_is_of_the_text_that_is_rendered(tmp_path: Path) -> None:
    assert template_digest(base(tmp_path)) == hashlib.sha256(TEMPLATE.encode()).hexdigest()
    (tmp_path / "chat_template.jinja").write_text("the file comes first")
    assert template_digest(tmp_path) == hashlib.sha256(b"the file comes first").hexdigest()


def test_several_named_templates_have_one_digest_and_none_has_none(tmp_path: Path) -> None:
    assert template_digest(tmp_path) is None
    named = template_digest(base(tmp_path, [{"name": "default", "template": TEMPLATE}]))
    assert named is not None and named != template_digest(base(tmp_path))
    assert template_digest(base(tmp_path, None)) is None
