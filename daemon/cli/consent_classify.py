"""iaipctl consent classify [FOLDER --as CLASS]: says what a folder is, after showing what that changes."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from daemon.cli.consent_coverage import survey
from daemon.cli.result import DONE, USAGE, Result, table
from daemon.cli.root import Context
from jobs.consent.book import ConsentBook
from jobs.consent.coverage import Coverage, ruled
from jobs.consent.files import POLICY
from jobs.consent.terms import in_force, real_collections
from jobs.consent.writing import with_rule
from jobs.domain.consent import CLASSES, Classification
from jobs.domain.errors import BadInput, Refused
from jobs.domain.places import places

CURATED = "curated"
LETTERS: dict[str, Classification] = {"u": "public", "p": "personal", "c": "community", "s": "sacred"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", help="a folder, a collection, collection/folder, or curated")
    parser.add_argument("--as", dest="classification", choices=CLASSES, help="what all in it is, at least")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.epilog = "Writes consent/policy.toml. A stricter word about a note, wherever it stands, still wins."


def run(options: argparse.Namespace, context: Context) -> Result:
    if options.folder is None:
        return _walk(context)
    if options.classification is None:
        return Result(
            schema="iaip.consent-classify/1", data={}, text="", talk=f"as what? --as {'|'.join(CLASSES)}", code=USAGE
        )
    before = survey(context)
    place = settled_place(options.folder, context)
    text, after = _preview(place, options.classification, before, context)
    changes = moved(before, after)
    told = f"{place}: {options.classification}\n{changes}"
    if not options.yes and not _agreed(told):
        return Result(
            schema="iaip.consent-classify/1",
            data={"place": place, "classification": options.classification, "done": False},
            text=told,
            talk="Nothing was changed. Add --yes to do it.",
        )
    _apply(text, context)
    return Result(
        schema="iaip.consent-classify/1",
        data={"place": place, "classification": options.classification, "done": True},
        text=told if options.yes else "done",
        talk=_next(after),
        code=DONE,
    )


def settled_place(name: str, context: Context) -> str:
    """The folder by its real, absolute path, so that the word stays with it; ``curated`` as it is."""
    if name.split("/", maxsplit=1)[0] == CURATED:
        return name.rstrip("/")
    collections = context.corpus.collections()
    first, _, rest = name.partition("/")
    root = next((collection.path for collection in collections if collection.name == first), None)
    path = Path(os.path.realpath(Path(root, rest) if root else Path(name).expanduser()))
    if not path.exists() or not places(str(path), real_collections(collections)):
        raise BadInput(
            f"there is no folder of a collection at {path}",
            remedy="`qmd collection list` shows the collections; name one of them or a folder inside",
        )
    return str(path)


def moved(before: Coverage, after: Coverage) -> str:
    """How many documents change, in words: what they were and what they become."""
    was = {document.id: _state(document.ruling.classification, document.ruling.reason) for document in before.documents}
    changes = Counter(
        (was[document.id], now)
        for document in after.documents
        if (now := _state(document.ruling.classification, document.ruling.reason)) != was[document.id]
    )
    rows = [[str(number), old, new] for (old, new), number in changes.most_common()]
    return table(["documents", "were", "become"], rows) if rows else "no document changes"


def _state(classification: str, reason: str) -> str:
    return f"{classification}, out: {reason}" if reason and reason != classification else classification


def _preview(place: str, classification: Classification, before: Coverage, context: Context) -> tuple[str, Coverage]:
    book = ConsentBook(context.home.consent)
    if POLICY in book.changes():
        raise Refused(
            "consent/policy.toml was changed by hand and not imported", remedy="read it, then `iaipctl consent import`"
        )
    text = with_rule(book.files().get(POLICY, ""), place, classification)
    said = {document.id: document.said for document in before.documents}
    now = in_force(
        context.home, context.settings, context.corpus.collections(), list(said), datetime.now(UTC), policy_to_be=text
    )
    after = Coverage(documents=tuple(ruled(said, now)), unreadable=before.unreadable, astray=before.astray, now=now)
    return text, after


def _apply(text: str, context: Context) -> None:
    book = ConsentBook(context.home.consent)
    with book.held() as pen:
        pen.write(POLICY, text)
    book.import_changes(getpass.getuser(), datetime.now(UTC), only=[POLICY])
    context.ask("refresh", {})


def _agreed(told: str) -> bool:
    if not sys.stdin.isatty():
        return False
    print(told)
    return input("Do it? [y/N] ").strip().casefold() in ("y", "yes", "o", "oui")


def _next(after: Coverage) -> str:
    if after.reasons().get("no consent of a person"):
        return "Next, if it is your own: `iaipctl consent grant --person me --folder FOLDER`"
    if after.reasons().get("no consent of a community"):
        return "Next: `iaipctl consent grant --community NAME --folder FOLDER --contact WHERE`, once they agreed"
    return ""


def _walk(context: Context) -> Result:
    """Folder by folder through what nobody classified. Off a terminal it only lists them."""
    waiting = survey(context).unclassified()
    data = {"unclassified": waiting}
    if not waiting:
        return Result(schema="iaip.consent-classify/1", data=data, text="everything is classified")
    if not sys.stdin.isatty():
        text = "\n".join(f"{number} unclassified in {folder}" for folder, number in waiting.items())
        talk = "Next: `iaipctl consent classify FOLDER --as CLASS --yes`"
        return Result(schema="iaip.consent-classify/1", data=data, text=text, talk=talk)
    done = 0
    for folder, number in waiting.items():
        print(f"\n{folder}: {number} unclassified")
        answer = input("p[u]blic, [p]ersonal, [c]ommunity, [s]acred, enter to skip, [q]uit: ").strip().casefold()
        if answer == "q":
            break
        if (word := LETTERS.get(answer)) is not None:
            before = survey(context)
            text, after = _preview(settled_place(folder, context), word, before, context)
            if _agreed(moved(before, after)):
                _apply(text, context)
                done += 1
                print(_next(after))
    return Result(schema="iaip.consent-classify/1", data=data, text=f"{done} folders classified")
