"""The base models the product knows, from models.toml."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Literal

import msgspec
from msgspec import Struct


class CatalogueEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Comes with a ``package``, or is fetched from a ``repository`` at a ``revision``.

    ``chat_template`` is the SHA-256 of the one chat template that may be rendered with it.
    """

    kind: Literal["embedding", "expansion"]
    note: str
    package: str = ""
    repository: str = ""
    revision: str = ""
    chat_template: str = ""


def read_catalogue() -> dict[str, CatalogueEntry]:
    """By name, in the file's order."""
    content = resources.files("config").joinpath("models.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(content), dict[str, CatalogueEntry])
