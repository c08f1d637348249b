"""iaipctl consent classify [FOLDER --as CLASS]: says what a folder is, after showing what that changes."""

from __future__ import annotations

import argparse
import getpass
import sys
from datetime import UTC, datetime

from daemon.cli.consent_coverage import survey
from daemon.cli.result import DONE, USAGE, Result, table
from daemon.cli.root import Context
from jobs.consent.classifying import Preview, Standing, classify, moves, preview, settled_place
from jobs.consent.coverage import Coverage
from jobs.domain.consent import CLASSES, Classification

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
    place = settled(options.folder, context)
    seen = _preview(place, options.classification, before, context)
    changes = moved(before, seen.after)
    told = f"{place}: {options.classification}\n{changes}"
    if not options.yes and not _agreed(told):
        return Result(
            schema="iaip.consent-classify/1",
            data={"place": place, "classification": options.classification, "done": False},
            text=told,
            talk="Nothing was changed. Add --yes to do it.",
        )
    _apply(seen, context)
    return Result(
        schema="iaip.consent-classify/1",
        data={"place": place, "classification": options.classification, "done": True},
        text=told if options.yes else "done",
        talk=_next(seen.after),
        code=DONE,
    )


def settled(name: str, context: Context) -> str:
    """The place by its real name. Raises BadInput for what is no folder of a collection."""
    return settled_place(name, context.corpus.collections())


def moved(before: Coverage, after: Coverage) -> str:
    """How many documents change, in words: what they were and what they become."""
    found = moves(before, after)
    rows = [[str(move.documents), _told(move.was), _told(move.becomes)] for move in found]
    freed = sum(move.documents for move in found if move.frees)
    table_text = table(["documents", "were", "become"], rows) if rows else "no document changes"
    return f"{table_text}\n{freed} become freer than they were" if freed else table_text


def _told(standing: Standing) -> str:
    return ", out: ".join(filter(None, (standing.classification, standing.reason)))


def _preview(place: str, classification: Classification, before: Coverage, context: Context) -> Preview:
    now, collections = datetime.now(UTC), context.corpus.collections()
    return preview([place], classification, before, context.home, context.settings, collections, now)


def _apply(seen: Preview, context: Context) -> None:
    classify(seen, context.home, context.corpus.collections(), getpass.getuser(), datetime.now(UTC))
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
            seen = _preview(folder, word, before, context)
            if _agreed(moved(before, seen.after)):
                _apply(seen, context)
                done += 1
                print(_next(seen.after))
    return Result(schema="iaip.consent-classify/1", data=data, text=f"{done} folders classified")
