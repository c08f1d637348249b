"""iaipctl consent coverage: what is in, what is out and why."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from daemon.cli.result import DONE, FAILED, Result, table
from daemon.cli.root import Context
from jobs.consent.coverage import Coverage, covered
from jobs.domain.consent import INDEX_MEANS

MOST_FOLDERS = 15


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "With --json every document is listed with its class, its uses and the reason. Changes nothing."


def run(options: argparse.Namespace, context: Context) -> Result:
    found = survey(context)
    data = {
        "revision": found.now.terms.revision,
        "problem": found.now.problem,
        "classes": {name: {"in": number, "out": out} for name, (number, out) in found.classes().items()},
        "reasons": found.reasons(),
        "uses": found.uses(),
        "unreadable": found.unreadable,
        "not_imported": found.now.changes,
        "astray": found.astray,
        "idle": found.idle,
        "elsewhere": found.now.elsewhere,
        "clock": found.now.ahead,
        "documents": [
            {
                "document": str(document.id),
                "classification": document.ruling.classification,
                "uses": document.ruling.uses,
                "consents": document.ruling.consents,
                "reason": document.ruling.reason,
            }
            for document in found.documents
        ],
    }
    return Result(
        schema="iaip.consent-coverage/1",
        data=data,
        text=in_words(found),
        talk=_next(found),
        code=FAILED if found.now.problem else DONE,
    )


def survey(context: Context) -> Coverage:
    return covered(context.corpus, context.documents(), context.home, context.settings, datetime.now(UTC))


def in_words(found: Coverage) -> str:
    lines = [f"THE CONSENT LOG IS BROKEN: {found.now.problem}. No consent counts."] if found.now.problem else []
    rows = [[name, str(number), str(out)] for name, (number, out) in found.classes().items()]
    lines.append(table(["class", "in", "out"], rows) if rows else "no documents")
    for title, counts in (("out because", found.reasons()), ("may", found.uses())):
        if counts:
            lines.append(f"{title}: " + ", ".join(f"{number} {word}" for word, number in counts.items()))
    if "index" in found.uses():
        lines.append(f"      ({INDEX_MEANS})")
    if found.unreadable:
        lines.append(f"cannot be read now: {found.unreadable}")
    waiting = list(found.unclassified().items())
    lines += [f"unclassified: {number} in {folder}" for folder, number in waiting[:MOST_FOLDERS]]
    if len(waiting) > MOST_FOLDERS:
        lines.append(f"unclassified: {len(waiting) - MOST_FOLDERS} more folders")
    lines += [f"not as it was imported ({change}): {name}" for name, change in found.now.changes.items()]
    lines += [f"covers nothing that is here; did the folder move? {place}" for place in found.astray]
    lines += [
        f"restricts nothing that is here; did its notes move? (they stay restricted only until edited) {p}"
        for p in found.idle
    ]
    lines += [
        f"permits nothing since the collection lies elsewhere; write the full path: {p}" for p in found.now.elsewhere
    ]
    if found.now.ahead:
        lines.append(f"THE CLOCK AND THE LOG DIFFER: {found.now.ahead}")
    return "\n".join(lines)


def _next(found: Coverage) -> str:
    if found.now.problem:
        return "Next: `iaipctl consent verify`"
    if found.idle:
        return (
            "Next: look for the notes of the restriction that restricts nothing, `iaipctl consent classify` them where"
            " they lie now, then take the old rule out of consent/policy.toml"
        )
    if found.now.changes:
        return "Next: read what was changed, then `iaipctl consent import`"
    if found.unclassified():
        return "Next: `iaipctl consent classify` goes through the rest"
    if any(reason.startswith("no consent") for reason in found.reasons()):
        return "Next: `iaipctl consent grant --person me --folder FOLDER` for what is your own"
    return ""
