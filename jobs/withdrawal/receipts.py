"""The receipt of a withdrawal: what was done, when, what was verified and what cannot be undone. Signed, in JSON and
in words.

``<id>.json`` is ``{"receipt": …, "public_key": …, "signature": …}``: an Ed25519 signature, in hex, over the receipt
as JSON in UTF-8 with its keys sorted and no space between. Anybody can check it with any library.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct

from jobs.domain.errors import BadInput
from jobs.domain.withdrawal import Withdrawal
from jobs.publish import write_file

REMAINS = ("notes", "index", "copies", "backups", "snapshots", "flash", "servers", "shared", "curated")
"""What no program of this machine can undo or may touch, by the sentence that says it (receipts.toml)."""

Language = Literal["en", "fr"]


class Signer(Protocol):
    """Signs in the name of this home, and checks what any home signed. Everything in hex."""

    def sign(self, content: bytes) -> tuple[str, str]:
        """(signature, public key). Raises BadInput if this home's key is damaged."""
        ...

    def known(self) -> str | None:
        """This home's public key; none before it has signed anything."""
        ...

    def verifies(self, content: bytes, signature: str, public_key: str) -> bool: ...


class Receipt(Struct, frozen=True, kw_only=True):
    """``verified``: nothing was found again, neither by lineage nor by ``strings`` (how many, of how many documents,
    in how many files and bytes). ``found_again`` names the files that still hold some of it."""

    schema: Literal["iaip.withdrawal-receipt/1"] = "iaip.withdrawal-receipt/1"
    id: str
    program: str
    asked_at: datetime
    finished_at: datetime
    by: str
    what: str
    name: str
    contents: tuple[str, ...]
    documents: int
    consents: tuple[str, ...]
    releases: tuple[str, ...]
    live_before: str | None
    live: str | None
    counts: dict[str, int]
    verified: bool
    lineage_absent: bool
    strings: int
    strings_documents: int
    strings_digest: str
    files: int
    bytes: int
    found_again: tuple[str, ...]
    runs: tuple[int, ...]
    remains: tuple[str, ...] = REMAINS
    log_entry: str = ""
    """The digest of the consent log's newest entry when it was finished."""


class SignedReceipt(Struct, frozen=True, kw_only=True):
    receipt: dict[str, Any]
    public_key: str
    signature: str


class Checked(Struct, frozen=True, kw_only=True):
    """What a check of a receipt's file says. ``sound``: whoever holds ``public_key`` signed exactly this."""

    sound: bool
    public_key: str
    receipt: Receipt | None


def store(folder: Path, receipt: Receipt, signer: Signer) -> Path:
    """Writes both files and returns the signed one. Done again, the signed one is written last."""
    told = msgspec.to_builtins(receipt)
    signature, public_key = signer.sign(canonical(told))
    signed = SignedReceipt(receipt=told, public_key=public_key, signature=signature)
    text = "\n".join((*in_words(receipt, "en"), "", *in_words(receipt, "fr"), "", f"Ed25519 {public_key}", signature))
    write_file(folder / f"{receipt.id}.txt", f"{text}\n".encode())
    path = folder / f"{receipt.id}.json"
    write_file(path, msgspec.json.format(msgspec.json.encode(signed)))
    return path


def check(path: Path, signer: Signer) -> Checked:
    """Raises BadInput for a file that is no receipt at all; one that was changed is not ``sound``."""
    try:
        signed = msgspec.json.decode(path.read_bytes(), type=SignedReceipt)
    except (OSError, msgspec.DecodeError) as error:
        raise BadInput(
            f"{path} is no receipt of a withdrawal", remedy="choose one of consent/receipts/*.json"
        ) from error
    sound = signer.verifies(canonical(signed.receipt), signed.signature, signed.public_key)
    try:
        receipt = msgspec.convert(signed.receipt, Receipt)
    except msgspec.ValidationError:
        receipt = None
    return Checked(sound=sound and receipt is not None, public_key=signed.public_key, receipt=receipt)


def canonical(told: dict[str, Any]) -> bytes:
    """What is signed."""
    return msgspec.json.encode(told, order="sorted")


def in_words(receipt: Receipt, language: Language) -> list[str]:
    """The receipt, line by line, for a person."""
    words = tomllib.loads(resources.files("jobs.withdrawal").joinpath("receipts.toml").read_text("utf-8"))

    def say(key: str, **values: object) -> str:
        return str(words[key][language]).format(**values)

    lines = [
        say("title", id=receipt.id),
        say("what", what=words[f"what.{receipt.what}"][language], name=receipt.name),
        say("when", asked=f"{receipt.asked_at:%Y-%m-%d %H:%M:%S}", finished=f"{receipt.finished_at:%Y-%m-%d %H:%M:%S}"),
        say("by", by=receipt.by),
        say("releases", releases=", ".join(receipt.releases) or "–"),
        say("live", before=receipt.live_before or "–", live=receipt.live or "–"),
        *(say(f"count.{key}", n=number) for key, number in receipt.counts.items() if number),
        say("runs", runs=", ".join(map(str, receipt.runs)) or "–"),
        say("lineage" if receipt.lineage_absent else "lineage.left"),
        _strings_said(receipt, say),
        *(say("found", place=place) for place in receipt.found_again),
        say("remains"),
    ]
    return [*lines, *(f"- {say(f'remains.{key}')}" for key in receipt.remains)]


def _strings_said(receipt: Receipt, say: Callable[..., str]) -> str:
    if not receipt.strings:
        return say("strings.none")
    values = {
        "n": receipt.strings,
        "documents": receipt.strings_documents,
        "files": receipt.files,
        "mb": f"{receipt.bytes / 1e6:.0f}",
    }
    return say("strings.left" if receipt.found_again else "strings", **values)


def receipt_of(done: Withdrawal, **told: Any) -> Receipt:
    """``told``: what the withdrawal itself does not know."""
    return Receipt(
        id=done.id,
        asked_at=done.asked_at,
        by=done.by,
        what=done.what,
        name=done.name,
        contents=done.contents,
        documents=len(done.documents),
        consents=tuple(sorted(done.consents)),
        releases=done.releases,
        live_before=done.live_before,
        live=done.live,
        counts=done.counts,
        strings=done.strings[0],
        strings_documents=done.strings[1],
        strings_digest=done.strings_digest,
        files=done.searched[0],
        bytes=done.searched[1],
        lineage_absent=not done.lineage_left,
        found_again=done.found_again,
        verified=not done.found_again,
        runs=done.runs,
        **told,
    )
