"""A base's chat template is a program (Jinja) that its publisher wrote: known bases are held to one template each.

The catalogue pins those that came with a package we know. What is fetched is pinned by its owner: they look at the
template once and confirm it, and another one under that name is refused from then on.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from config.catalogue import read_catalogue
from jobs.domain.errors import BadInput
from jobs.publish import write_file

CONFIRMED = "confirmed-templates.json"
"""Beside the bases: the name of each confirmed one and the SHA-256 of its template."""
FEWEST_DIGITS = 12


def require_known_template(name: str, directory: Path, root: Path) -> None:
    """Raises BadInput if the base ``name`` has another chat template than is pinned for it.

    ``root`` holds the bases and what their owner confirmed. A base without a template, or one that is named by its
    directory, is its owner's choice. In any case transformers renders it in Jinja's immutable sandbox.
    """
    entry = read_catalogue().get(name)
    if entry is None:
        return
    found = template_digest(directory)
    if entry.chat_template and found != entry.chat_template:
        raise BadInput(
            f"the chat template of {name} is not the one this product knows ({(found or 'none')[:FEWEST_DIGITS]}"
            f" instead of {entry.chat_template[:FEWEST_DIGITS]}), so nothing was trained with it",
            remedy=f"remove {directory} and run the job again, which unpacks or asks for the base afresh",
        )
    if entry.kind == "expansion" and entry.repository and found != confirmed(root).get(name):
        raise BadInput(
            f"nobody has confirmed the chat template of {name} yet, so nothing was trained with it",
            remedy=f"read it with `iaipctl models template {name}`: it is a program; then"
            f" `iaipctl models confirm {name} {(found or 'none')[:FEWEST_DIGITS]}`",
        )


def confirmed(root: Path) -> dict[str, str]:
    """What the owner has confirmed, by name. A damaged note of it confirms nothing."""
    try:
        return msgspec.json.decode((root / CONFIRMED).read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError):
        return {}


def confirm(name: str, digits: str, root: Path) -> str:
    """Pins the template that is there now and returns its digest.

    Raises BadInput unless ``digits`` begin that digest, FEWEST_DIGITS of them at least.
    """
    found = template_digest(root / name)
    if found is None or len(digits) < FEWEST_DIGITS or not found.startswith(digits):
        raise BadInput(
            f"{digits} is not how the digest of the chat template of {name} begins; nothing was confirmed",
            remedy=f"`iaipctl models template {name}` shows the template and its digest",
        )
    write_file(root / CONFIRMED, msgspec.json.encode(confirmed(root) | {name: found}))
    return found


def template_digest(directory: Path) -> str | None:
    """SHA-256 of the template that transformers would render, in hexadecimal; none where there is none."""
    text = template_of(directory)
    return None if text is None else hashlib.sha256(text).hexdigest()


def template_of(directory: Path) -> bytes | None:
    """The template that transformers would render; none where there is none.

    A file chat_template.jinja comes before the entry in tokenizer_config.json. Several named templates count as one.
    """
    if (file := directory / "chat_template.jinja").is_file():
        return file.read_bytes()
    try:
        settings = msgspec.json.decode((directory / "tokenizer_config.json").read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError):
        return None
    template = settings.get("chat_template")
    if template is None:
        return None
    return template.encode() if isinstance(template, str) else msgspec.json.encode(template)
