"""QMD's index.yml: its collections and models, read and rewritten with every other key and comment kept.

The format is that of QMD 2.8.3 (its ``collections`` module): ``collections: {name: {path, pattern, ignore, …}}``
and ``models: {embed, generate, rerank}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any
from unicodedata import normalize

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from jobs.domain.artifacts import SearchModels
from jobs.domain.corpus import Collection, DocumentId
from jobs.domain.errors import BadInput

_KINDS = ("embed", "generate", "rerank")
_NAME = "QMD's index.yml"


def read_collections(config: Path) -> list[Collection]:
    """The collections in the file's order; none if there is no file. Raises BadInput for what QMD could not use."""
    tree = _read(config)
    collections = _mapping(tree, "collections", str(config))
    return [_collection(name, _mapping(collections, name, str(config)), config) for name in collections]


def read_models(config: Path) -> SearchModels:
    """The models the file names; all none if there is no file. Raises BadInput if it cannot be read."""
    return _models(_read(config), str(config))


def with_models(text: str, models: SearchModels) -> str:
    """The configuration ``text`` with ``models`` instead of its own. Where a model is none, the key is left out."""
    tree = _parse(text, _NAME)
    named = {kind: model for kind in _KINDS if (model := getattr(models, kind)) is not None}
    section = tree.get("models")
    if not isinstance(section, CommentedMap):
        section = CommentedMap()
    for kind in _KINDS:
        if kind in named:
            section[kind] = named[kind]
        else:
            section.pop(kind, None)
    if section:
        tree["models"] = section
    else:
        tree.pop("models", None)
    return _text(tree)


def with_collections_of(live_text: str, models_of_text: str) -> str:
    """The live configuration with the models of another release: a switch keeps the owner's present collections."""
    return with_models(live_text, _models(_parse(models_of_text, _NAME), _NAME))


def ignoring(text: str, documents: Iterable[DocumentId]) -> str:
    """The configuration ``text`` with the documents among what their collections ignore, in both Unicode forms."""
    tree = _parse(text, _NAME)
    collections = _mapping(tree, "collections", _NAME)
    for document in documents:
        if document.collection not in collections:
            continue
        section = _mapping(collections, document.collection, _NAME)
        known = list(section.get("ignore") or [])
        forms = dict.fromkeys(normalize(form, document.path) for form in ("NFC", "NFD"))
        wanted = [re.sub(r"([\\*?!+@|()\[\]{},])", r"\\\1", form) for form in forms]
        if missing := [pattern for pattern in wanted if pattern not in known]:
            section["ignore"] = [*known, *missing]
    return _text(tree)


def _models(tree: CommentedMap, source: str) -> SearchModels:
    section = _mapping(tree, "models", source)
    return SearchModels(**{kind: _text_at(section, kind, source) for kind in _KINDS})


def _collection(name: str, section: CommentedMap, config: Path) -> Collection:
    source = str(config)
    path = _text_at(section, "path", source)
    if path is None:
        raise _wrong(source, section, None, f"collection {name} has no path")
    ignore = section.get("ignore") or []
    if not isinstance(ignore, list) or not all(isinstance(pattern, str) for pattern in ignore):
        raise _wrong(source, section, "ignore", f"the ignore of collection {name} must be a list of patterns")
    pattern = _text_at(section, "pattern", source) or "**/*.md"
    return Collection(name=str(name), path=path, pattern=str(pattern), ignore=tuple(map(str, ignore)))


def _read(config: Path) -> CommentedMap:
    try:
        text = config.read_text("utf-8")
    except FileNotFoundError:
        return CommentedMap()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{config} cannot be read ({error})", remedy="make it a readable UTF-8 file") from error
    return _parse(text, str(config))


def _parse(text: str, source: str) -> CommentedMap:
    try:
        tree = _yaml().load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadInput(f"{source}, line {line}: {error.problem or 'not YAML'}", remedy=_remedy(source)) from error
    except YAMLError as error:
        raise BadInput(f"{source} is not YAML ({type(error).__name__})", remedy=_remedy(source)) from error
    if tree is None:
        return CommentedMap()
    if not isinstance(tree, CommentedMap):
        raise BadInput(f"{source}, line 1: expected keys such as `collections:`", remedy=_remedy(source))
    return tree


def _yaml() -> YAML:
    """Round trips in the style in which QMD itself writes the file."""
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 1_000_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _text(tree: CommentedMap) -> str:
    stream = StringIO()
    _yaml().dump(tree, stream)
    return stream.getvalue()


def _mapping(tree: CommentedMap, key: Any, source: str) -> CommentedMap:
    section = tree.get(key)
    if section is None:
        return CommentedMap()
    if not isinstance(section, CommentedMap):
        raise _wrong(source, tree, key, f"{key} must have keys of its own")
    return section


def _text_at(section: Mapping[str, Any], key: str, source: str) -> str | None:
    value = section.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _wrong(source, section, key, f"{key} must be text")
    return str(value)


def _wrong(source: str, section: Any, key: str | None, problem: str) -> BadInput:
    """``section`` is a ruamel mapping, which knows where it and its keys stand."""
    line = section.lc.key(key)[0] if key in section else section.lc.line
    return BadInput(f"{source}, line {line + 1}: {problem}", remedy=_remedy(source))


def _remedy(source: str) -> str:
    return f"mend that line in {source}; `qmd collection list` shows when QMD can read it again"
