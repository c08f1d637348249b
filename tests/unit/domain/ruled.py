"""Notes, rules and grants, and what is ruled from them."""

from __future__ import annotations

from datetime import date

from jobs.consent.front_matter import RaisingWords, note_said, read_front_matter
from jobs.domain.consent import USES, Grant, NoteSaid, Rule, Ruling, Said, Terms, ruling
from jobs.domain.corpus import Collection, DocumentId
from jobs.domain.places import Place, excluded_folders, places

KB = Collection(name="kb", path="/home/ada/notes")


TODAY = date(2026, 1, 15)


PUBLIC = Rule(place=Place(collection="kb"), said=Said(classifications=("public",)), source="policy")


def note(text: str, *words: tuple[str, str]) -> NoteSaid:
    return note_said(read_front_matter(text)[0], text, RaisingWords(words))


def rule(name: str, classification: str = "", *, raises_only: bool = False, **said: object) -> Rule:
    (place,) = places(name, (KB,))
    classes = (classification,) if classification else ()
    return Rule(
        place=place,
        said=Said(classifications=classes, **said),  # type: ignore[arg-type]
        source="policy",
        raises_only=raises_only,
    )


def grant(name: str = "kb", kind: str = "person", uses: tuple[str, ...] = USES, record: str = "ada") -> Grant:
    return Grant(record=record, revision=1, kind=kind, uses=uses, places=places(name, (KB,)))  # type: ignore[arg-type]


def ruled(
    text: str = "", path: str = "a/b.md", *rules: Rule, grants: tuple[Grant, ...] = (), **terms: object
) -> Ruling:
    found = Terms(rules=rules, grants=grants, today=TODAY, **terms)  # type: ignore[arg-type]
    return ruling(DocumentId(collection="kb", path=path), note(text), found)


def allowed(text: str = "", path: str = "a/b.md", folders: tuple[str, ...] = ()) -> bool:
    return "embed" in ruled(text, path, PUBLIC, excluded=excluded_folders(folders, (KB,))).uses
