"""Texts that lay in a restricted place which holds nothing any more: until the steward settles it, the restriction
goes with them.

consent/displaced.json   place, as the policy has it → the SHA-256s of the texts that lay there last. An entry goes when
                         its place holds documents again, or its rule is taken out of the policy.
"""

from __future__ import annotations

from collections.abc import Collection as Sized
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from jobs.consent.files import PolicyRule
from jobs.domain.consent import Said, restricts
from jobs.domain.corpus import Collection, DocumentId
from jobs.domain.errors import BadInput
from jobs.domain.places import may_hold, places
from jobs.publish import write_file

Texts = dict[str, tuple[str, ...]]


def displaced_saids(folder: Path, policy: Sequence[PolicyRule]) -> dict[str, tuple[Said, ...]]:
    """Text → what the rules said of the places where it lay. ``folder`` is the consent folder."""
    texts, found = _read(folder), dict[str, tuple[Said, ...]]()
    for rule in policy:
        for sha256 in texts.get(rule.place, ()):
            found[sha256] = (*found.get(sha256, ()), rule.said)
    return found


def note_displaced(
    folder: Path,
    policy: Sequence[PolicyRule],
    collections: Sequence[Collection],
    before: Mapping[DocumentId, str],
    now: Sized[DocumentId],
) -> None:
    """``before``: every document that was known, by the SHA-256 of its text; ``now``: those that are here.

    ``collections`` are the real ones.
    """
    known = _read(folder)
    if not known and before.keys() <= set(now):
        return
    texts = {rule.place: lay for rule in policy if (lay := _lay(rule, known, collections, before, now))}
    if texts != known:
        write_file(_file(folder), msgspec.json.format(msgspec.json.encode(texts, order="sorted")))


def _lay(
    rule: PolicyRule,
    known: Texts,
    collections: Sequence[Collection],
    before: Mapping[DocumentId, str],
    now: Sized[DocumentId],
) -> tuple[str, ...]:
    """Nothing for a rule that restricts nothing by its words, or that still has documents to restrict."""
    found = places(rule.place, collections)
    if not restricts(rule.said) or any(may_hold(place, document) for place in found for document in now):
        return ()
    left = {text for document, text in before.items() if any(may_hold(place, document) for place in found)}
    return tuple(sorted({*known.get(rule.place, ()), *left}))


def _file(folder: Path) -> Path:
    return folder / "displaced.json"


def _read(folder: Path) -> Texts:
    """Nothing if it was never needed. Raises BadInput for a damaged one: what it restricts, nobody can tell."""
    path = _file(folder)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Texts) if path.exists() else {}
    except msgspec.DecodeError as error:
        raise BadInput(
            "consent/displaced.json cannot be read, so nobody can tell which moved notes are restricted",
            remedy="put it back from a copy; or move it away and classify what moved",
        ) from error
