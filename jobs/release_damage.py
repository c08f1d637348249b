"""Is a release whole? Asked before it goes live, because a damaged model answers without an error."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from jobs.domain.artifacts import LiveModel
from jobs.domain.errors import BadInput, ToolFailed
from jobs.index_file import check_index

PATIENCE = 0.2
"""Seconds to wait for an index in use: one that somebody works with can be opened."""


def release_damage(targets: Mapping[str, LiveModel], index: Path, *, adopted: bool) -> str | None:
    """What is wrong on disk, in words; none if the release can go live.

    Reads every model whose digest is known to its end (about a second per 2 GB) and the index, all at once. A model
    that the owner brought has no digest: it only has to be there; and what was ``adopted`` may have had no index yet.
    """
    if not (adopted or index.exists()):
        return f"its search index {index} is not there"
    from concurrent.futures import ThreadPoolExecutor  # `status` never asks, and is to be quick

    with ThreadPoolExecutor() as pool:  # hashing and SQLite let go of the interpreter
        searched = pool.submit(_index_damage, index)
        models = list(pool.map(_model_damage, targets, targets.values()))
    return next(filter(None, [*models, searched.result()]), None)


def _index_damage(index: Path) -> str | None:
    try:
        check_index(index, PATIENCE)
    except BadInput as error:
        return error.message
    except ToolFailed:
        return None
    return None


def _model_damage(target: str, model: LiveModel) -> str | None:
    gguf = Path(model.gguf)
    if gguf.is_absolute() and not gguf.is_file():
        return f"its {target} model {gguf} is not there"
    if model.sha256 and _sha256(gguf) != model.sha256:
        return f"its {target} model {gguf} is damaged"
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
