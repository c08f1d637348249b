"""How many tokens QMD counts in a text: by the embedding base's tokenizer.json, without the rest of the model.

The package tokenizers comes with the ml extra. Where that is missing nothing is trained either, and nobody counts.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.adapters.base_places import MINILM, minilm_source, place_of
from jobs.domain.errors import BadInput

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FILE = "tokenizer.json"


class TokenCounter:
    """A TokenCounter port on a tokenizer.json, which is read when the first text is counted."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @cached_property
    def digest(self) -> str:
        with self._file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()[:16]

    def count(self, text: str) -> int:
        """Without the tokens around it; a special token that the text spells out counts as text, as with QMD."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(self._file))
        except Exception as error:
            raise BadInput(
                f"{self._file} is no tokenizer ({str(error)[:200]})",
                remedy="fetch the base again with `iaipctl models fetch NAME`, or choose another base in config.toml",
            ) from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        return tokenizer


def token_counter(root: Path, base: str) -> TokenCounter | None:
    """The counter of an embedding base under ``root`` or still in its package; none where nobody can count."""
    places = [place_of(root, base)]
    if base == MINILM:
        with suppress(BadInput):
            places.append(minilm_source())
    files = [place / FILE for place in places if place is not None and (place / FILE).is_file()]
    return TokenCounter(files[0]) if files and find_spec("tokenizers") else None
