"""Saying what folders are: shown before it is done, and done only as it was shown."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from config.paths import Home
from config.settings import Settings
from jobs.consent.book import ConsentBook
from jobs.consent.coverage import Coverage, ruled
from jobs.consent.files import POLICY
from jobs.consent.roots import real_collections
from jobs.consent.terms import in_force
from jobs.consent.writing import with_rule
from jobs.domain.consent import CLASSES, Classification, Ruling
from jobs.domain.corpus import CURATED, Collection, digest
from jobs.domain.errors import BadInput, Refused
from jobs.domain.places import places


class Standing(Struct, frozen=True, kw_only=True, order=True):
    """What a document is, and why it may be used for nothing; no reason if it may."""

    classification: str
    reason: str = ""


class Move(Struct, frozen=True, kw_only=True):
    """So many documents go from one standing to another."""

    documents: int
    was: Standing
    becomes: Standing

    @property
    def frees(self) -> bool:
        """Whether what somebody called them before was stricter."""
        named = self.was.classification in CLASSES and self.becomes.classification in CLASSES
        return named and CLASSES.index(self.becomes.classification) < CLASSES.index(self.was.classification)


class Preview(Struct, frozen=True, kw_only=True):
    """What would become of the documents. ``former`` and ``policy`` are the policy's texts before and after."""

    places: tuple[str, ...]
    classification: Classification
    former: str
    policy: str
    after: Coverage
    moves: tuple[Move, ...]

    @property
    def freed(self) -> int:
        return sum(move.documents for move in self.moves if move.frees)

    @property
    def digest(self) -> str:
        """Names what was shown: whoever agrees to it agrees to nothing else."""
        return digest(self.former, self.policy, *map(repr, self.moves))


def settled_place(name: str, collections: Sequence[Collection]) -> str:
    """The folder by its real, absolute path, so that the word stays with it; ``curated`` as it is.

    Raises BadInput for what is no folder (or document) of a collection.
    """
    if name.split("/", maxsplit=1)[0] == CURATED:
        return name.rstrip("/")
    first, _, rest = name.partition("/")
    root = next((collection.path for collection in collections if collection.name == first), None)
    path = _real(Path(root, rest) if root else Path(name))
    if path is None or not places(str(path), real_collections(collections)):
        raise BadInput(
            f"there is no folder of a collection at {name}",
            remedy="`qmd collection list` shows the collections; name one of them or a folder inside",
        )
    return str(path)


def preview(
    named: Sequence[str],
    classification: Classification,
    before: Coverage,
    home: Home,
    settings: Settings,
    collections: Sequence[Collection],
    now: datetime,
) -> Preview:
    """What the word would change. Raises BadInput for a place that is none, Refused where no command may say it."""
    book = ConsentBook(home.consent)
    if POLICY in book.changes():
        raise Refused(
            "consent/policy.toml was changed by hand and not imported", remedy="read it, then `iaipctl consent import`"
        )
    former = policy = book.files().get(POLICY, "")
    settled = tuple(dict.fromkeys(settled_place(name, collections) for name in named))
    for place in settled:
        policy = with_rule(policy, place, classification)
    said = {document.id: document.said for document in before.documents}
    to_be = in_force(home, settings, collections, list(said), now, policy_to_be=policy)
    after = Coverage(
        documents=tuple(ruled(said, to_be)),
        unreadable=before.unreadable,
        astray=before.astray,
        idle=before.idle,
        now=to_be,
    )
    return Preview(
        places=settled,
        classification=classification,
        former=former,
        policy=policy,
        after=after,
        moves=moves(before, after),
    )


def moves(before: Coverage, after: Coverage) -> tuple[Move, ...]:
    """How many documents change and how, the most first."""
    was = {document.id: _standing(document.ruling) for document in before.documents}
    changes = Counter(
        (was[document.id], becomes)
        for document in after.documents
        if document.id in was and (becomes := _standing(document.ruling)) != was[document.id]
    )
    return tuple(Move(documents=number, was=old, becomes=new) for (old, new), number in changes.most_common())


def classify(seen: Preview, home: Home, collections: Sequence[Collection], by: str, now: datetime) -> None:
    """Writes and takes in what was shown. Raises Refused if somebody has written the policy meanwhile."""
    book = ConsentBook(home.consent)
    with book.held() as pen:
        if book.files().get(POLICY, "") != seen.former:
            raise Refused("consent/policy.toml was changed meanwhile; nothing was done", remedy="look at it again")
        pen.write(POLICY, seen.policy)
    book.import_changes(by, now, [POLICY], collections)


def _standing(ruling: Ruling) -> Standing:
    reason = "" if ruling.reason == ruling.classification else ruling.reason
    return Standing(classification=ruling.classification, reason=reason)


def _real(path: Path) -> Path | None:
    """Where the path leads to; none if that is nowhere."""
    try:
        real = Path(os.path.realpath(path.expanduser()))
        return real if real.exists() else None
    except (OSError, RuntimeError, ValueError):  # a name too long, no such user's home, a null character
        return None
