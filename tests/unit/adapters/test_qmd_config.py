"""QMD's index.yml is the owner's file: everything but the models stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.adapters.qmd_config import read_collections, read_models, with_collections_of, with_models
from jobs.domain.artifacts import SearchModels
from jobs.domain.corpus import Collection
from jobs.domain.errors import BadInput

OWNED = """\
# my notes
global_context: "private: yes"
models:
  embed: hf:a/b/c.gguf
  generate: /old.gguf
collections:
  docs: # the manuals
    path: /abs
    pattern: "**/*.{md,txt}"
    ignore:
      - "x/**"
    context: {"/": "text"}
  plain:
    path: /plain
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "index.yml"
    path.write_text(text)
    return path


def test_collections_are_read_with_their_patterns_and_ignores(tmp_path: Path) -> None:
    assert read_collections(written(tmp_path, OWNED)) == [
        Collection(name="docs", path="/abs", pattern="**/*.{md,txt}", ignore=("x/**",)),
        Collection(name="plain", path="/plain"),
    ]


def test_a_missing_or_empty_file_has_no_collections_and_no_models(tmp_path: Path) -> None:
    assert read_collections(tmp_path / "none.yml") == []
    assert read_models(written(tmp_path, "")) == SearchModels()


def test_other_models_leave_every_other_line_as_it_was() -> None:
    changed = with_models(OWNED, SearchModels(embed="/new.gguf", generate="/old.gguf"))
    assert changed == OWNED.replace("hf:a/b/c.gguf", "/new.gguf")


def test_a_model_that_is_none_is_left_out() -> None:
    assert with_models("models: {embed: a}\ncollections: {}\n", SearchModels()) == "collections: {}\n"


def test_a_switch_keeps_the_live_collections_and_takes_the_other_models(tmp_path: Path) -> None:
    merged = with_collections_of(OWNED, "models: {embed: e, generate: g, rerank: r}\ncollections: {old: {path: /old}}")
    path = written(tmp_path, merged)
    assert [collection.name for collection in read_collections(path)] == ["docs", "plain"]
    assert read_models(path) == SearchModels(embed="e", generate="g", rerank="r")
    assert "# the manuals" in merged


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [\n b", "line 2"),
        ("collections: 3", "line 1: collections must have keys"),
        ("collections:\n  a:\n    pattern: x\n", "line 3: collection a has no path"),
        ("collections:\n  a:\n    path: /x\n    ignore: foo\n", "line 4: the ignore"),
        ("- a", "line 1: expected keys"),
        ("a: 1\na: 2\n", "line 2"),
    ],
)
def test_what_qmd_could_not_use_is_named_with_file_and_line(tmp_path: Path, text: str, problem: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BadInput, match=problem) as refused:
        read_collections(path)
    assert str(path) in refused.value.message
    assert refused.value.remedy
