"""iaipctl consent grant: writes down who allows what, and takes it in. Your own consent is one line."""

from __future__ import annotations

import argparse
import getpass
import os
from datetime import UTC, date, datetime

import msgspec

from daemon.cli.consent_classify import moved, settled
from daemon.cli.consent_coverage import survey
from daemon.cli.result import Result
from daemon.cli.root import Context
from jobs.consent.book import ConsentBook, check
from jobs.consent.files import RecordGrant
from jobs.consent.writing import Agreement, file_name, new_record, refuse_another, with_grant
from jobs.domain.consent import INDEX_MEANS, USES, Use
from jobs.domain.errors import BadInput, Refused

OWN_USES = "embed,expand,evaluate"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--person", metavar="NAME", help="a person; `me` is the owner of this computer")
    who.add_argument("--community", metavar="NAME", help="a community, by who may speak for it")
    who.add_argument("--authority", metavar="NAME", help="an authority that a community set up")
    parser.add_argument("--folder", action="append", default=[], help="a folder or collection; may be repeated")
    parser.add_argument("--document", action="append", default=[], help="one document; may be repeated")
    parser.add_argument("--uses", default=OWN_USES, help=f"of {','.join(USES)} (default {OWN_USES}); {INDEX_MEANS}")
    parser.add_argument("--from", dest="begins", type=date.fromisoformat, metavar="DATE", help="first day, YYYY-MM-DD")
    parser.add_argument("--until", type=date.fromisoformat, metavar="DATE", help="last day")
    parser.add_argument("--season", default="", help="only then: 11-01..03-31")
    parser.add_argument("--conditions", default="", help="in their own words")
    parser.add_argument("--contact", default="", help="where to turn to withdraw it (not needed for `me`)")
    parser.add_argument("--language", default="", help="of the agreement (default: yours)")
    parser.epilog = (
        "Writes consent/<name>.toml, plain text to read and sign off. More grants of one holder share a file."
    )


def run(options: argparse.Namespace, context: Context) -> Result:
    before = survey(context)
    name, text = _written(options, context)
    book = ConsentBook(context.home.consent)
    with book.held() as pen:
        pen.write(name, text)
    (entry,) = book.import_changes(getpass.getuser(), datetime.now(UTC), [name], context.corpus.collections())
    context.ask("refresh", {})
    after = survey(context)
    return Result(
        schema="iaip.consent-grant/1",
        data={"record": name.removesuffix(".toml"), "revision": entry.number, "file": str(book.folder / name)},
        text=f"{book.folder / name}, revision {entry.number}\n{moved(before, after)}",
        talk="Read the file. What it does not grant stays denied; `iaipctl consent coverage` shows the rest.",
    )


def _written(options: argparse.Namespace, context: Context) -> tuple[str, str]:
    """The record's file name and new text. Raises Refused if the file has changes that nobody imported."""
    kind = "person" if options.person else "community" if options.community else "authority"
    name = file_name(named := options.person or options.community or options.authority)
    mine = named == "me" and kind == "person"
    holder = f"{getpass.getuser()} (me)" if mine else named
    contact = options.contact or (f"{getpass.getuser()}, at this computer" if mine else "")
    if not contact:
        raise BadInput("a consent needs a contact to withdraw it", remedy="add --contact, as the holder wishes")
    book = ConsentBook(context.home.consent)
    if name in book.changes():
        raise Refused(f"consent/{name} has changes that were not imported", remedy="`iaipctl consent import` first")
    if known := book.files().get(name, ""):
        said = {key: getattr(options, key) for key in ("contact", "language", "conditions")}
        refuse_another(known, name, holder, kind, said)
    record = new_record(
        datetime.now(UTC),
        holder=holder,
        kind=kind,
        contact=contact,
        language=options.language or _own_language(),
        conditions=options.conditions,
    )
    text = with_grant(known, Agreement(record=record, grant=_grant(options, context)))
    check(name, text)
    book.refuse_withdrawn(name, known, text)
    return name, text


def _own_language() -> str:
    """The two letters of the locale; English where it has none (``C``, ``POSIX``)."""
    found = os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    return found[:2] if found[:2].isalpha() and found[2:3] in ("", "_", ".") else "en"


def _grant(options: argparse.Namespace, context: Context) -> RecordGrant:
    words = [word.strip() for word in options.uses.split(",") if word.strip()]
    try:
        uses = msgspec.convert(words, tuple[Use, ...])
    except msgspec.ValidationError as error:
        raise BadInput(f"unknown use in {options.uses}", remedy=f"choose of {', '.join(USES)}") from error
    if not (options.folder or options.document):
        raise BadInput("a consent is for folders or documents", remedy="add --folder FOLDER or --document FILE")
    return RecordGrant(
        uses=uses,
        folders=tuple(settled(folder, context) for folder in options.folder),
        documents=tuple(settled(document, context) for document in options.document),
        begins=options.begins,
        until=options.until,
        season=options.season,
    )
