"""iaipctl consent labels EXPORT: TK and BC labels, mapped by a steward and never by themselves."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from daemon.cli.consent_classify import moved, settled
from daemon.cli.consent_coverage import survey
from daemon.cli.result import DONE, USAGE, Result
from daemon.cli.root import Context, labels_of
from jobs.consent.book import ConsentBook, check
from jobs.consent.files import POLICY
from jobs.consent.labels import (
    Mapping,
    Project,
    agreed_class,
    agreed_record,
    blank_mapping,
    labels_folder,
    read_mapping,
    record_file,
)
from jobs.consent.writing import with_rule
from jobs.domain.errors import BadInput, Refused
from jobs.publish import write_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("export", type=Path, help="the saved JSON of a Local Contexts project")
    parser.add_argument("--folder", help="the folder the labels speak of: writes a mapping to fill in")
    parser.add_argument("--mapping", type=Path, help="the mapping, filled in and confirmed: takes it in")
    parser.epilog = "First with --folder, then with --mapping. No label is turned into anything without a steward."


def run(options: argparse.Namespace, context: Context) -> Result:
    project = labels_of(options.export)
    if options.mapping is not None:
        return _take_in(options.mapping, project, context)
    lines = [f"{label.family} {label.type}: {label.name} ({label.community})" for label in project.labels]
    data = {"project": project.id, "labels": [{"id": one.id, "type": one.type} for one in project.labels]}
    if options.folder is None:
        talk = "Next: `iaipctl consent labels EXPORT --folder FOLDER` writes the mapping to fill in"
        return Result(schema="iaip.consent-labels/1", data=data, text="\n".join(lines), talk=talk, code=USAGE)
    mapping = options.export.with_name(f"{options.export.stem}-mapping.toml")
    if mapping.exists():
        raise Refused("there is a mapping already, perhaps filled in", remedy=f"move {mapping} away, or use it")
    mapping.write_text(blank_mapping(project, settled(options.folder, context)), "utf-8")
    return Result(
        schema="iaip.consent-labels/1",
        data=data | {"mapping": str(mapping)},
        text="\n".join([*lines, f"mapping {mapping}"]),
        talk=f"Next: fill it in, then `iaipctl consent labels {options.export} --mapping {mapping}`",
    )


def _take_in(path: Path, project: Project, context: Context) -> Result:
    try:
        mapping = read_mapping(written := path.read_text("utf-8"), project)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read ({error})", remedy="name the mapping file") from error
    before = survey(context)
    files = _files(mapping, project, context)
    book = ConsentBook(context.home.consent)
    if pending := set(files) & set(book.changes()):
        raise Refused(f"not imported yet: {', '.join(sorted(pending))}", remedy="`iaipctl consent import` first")
    for name, text in files.items():
        if text:
            check(name, text)
    with book.held() as pen:
        for name, text in files.items():
            pen.write(name, text) if text else pen.remove(name)
    collections = context.corpus.collections()
    entries = book.import_changes(mapping.signed_by, datetime.now(UTC), list(files), collections)
    write_file(labels_folder(book.folder) / record_file(project), written.encode())
    context.ask("refresh", {})
    removed = [entry.subject for entry in entries if entry.action == "remove"]
    return Result(
        schema="iaip.consent-labels/1",
        data={
            "project": project.id,
            "imported": [entry.subject for entry in entries if entry.action == "import"],
            "removed": removed,
        },
        text=f"{agreed_class(mapping)}\n{moved(before, survey(context))}",
        talk="".join(map(_ended, removed)),
        code=DONE,
    )


def _ended(name: str) -> str:
    record = name.removesuffix(".toml")
    return (
        f"The labels allow no use together: {record} is in force no more. What was learnt under it stays"
        f" until `iaipctl withdraw --consent {record}`"
    )


def _files(mapping: Mapping, project: Project, context: Context) -> dict[str, str]:
    """What each file is to say; empty for a consent that the labels no longer give."""
    files = ConsentBook(context.home.consent).files()
    policy = files.get(POLICY, "")
    for folder in mapping.folders:
        policy = with_rule(policy, folder, agreed_class(mapping))
    name, record = record_file(project), agreed_record(mapping, project, datetime.now(UTC))
    return {POLICY: policy} | ({name: record} if record or name in files else {})
