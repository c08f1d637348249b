"""A base's chat template is a program (Jinja) that its publisher wrote: known bases are held to the one we know."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from config.catalogue import read_catalogue
from jobs.domain.errors import BadInput


def require_known_template(name: str, directory: Path) -> None:
    """Raises BadInput if the catalogue pins another chat template for the base ``name`` than the directory holds.

    A base without a pin, or one that is named by its directory, is its owner's choice. Either way transformers
    renders it in Jinja's immutable sandbox.
    """
    entry = read_catalogue().get(name)
    if entry is None or not entry.chat_template:
        return
    found = template_digest(directory)
    if found != entry.chat_template:
        raise BadInput(
            f"the chat template of {name} is not the one this product knows ({(found or 'none')[:12]} instead of"
            f" {entry.chat_template[:12]}), so nothing was trained with it",
            remedy=f"remove {directory} and run the job again, which unpacks or asks for the base afresh",
        )


def template_digest(directory: Path) -> str | None:
    """SHA-256 of the template that transformers would render, in hexadecimal; none where there is none.

    A file chat_template.jinja comes before the entry in tokenizer_config.json. Several named templates count as one.
    """
    if (file := directory / "chat_template.jinja").is_file():
        return hashlib.sha256(file.read_bytes()).hexdigest()
    try:
        settings = msgspec.json.decode((directory / "tokenizer_config.json").read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError):
        return None
    template = settings.get("chat_template")
    if template is None:
        return None
    text = template.encode() if isinstance(template, str) else msgspec.json.encode(template)
    return hashlib.sha256(text).hexdigest()
