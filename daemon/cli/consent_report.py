"""iaipctl consent report: what was used, by whom it was allowed, what is live. In English or French."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from daemon.cli.consent_coverage import survey
from daemon.cli.result import DONE, FAILED, Result, table
from daemon.cli.root import Context
from daemon.consent_uses import UsedDataset, agreements, used_datasets
from jobs.consent.coverage import Coverage

STANDINGS = {"live": ("live", "trial"), "past": ("previous", "rolled-back"), "withdrawn": ("withdrawn",)}
"""How a release that a dataset went into stands, as the report puts it."""
WORDS = {
    "en": {
        "title": "Consent report", "notes": "Notes", "class": "class", "in": "in", "out": "out",
        "who": "Who allowed what",
        "holder": "holder", "kind": "as", "uses": "uses", "until": "until", "contact": "contact", "record": "record",
        "none": "nobody gave a consent yet", "used": "What was used", "dataset": "dataset",
        "documents": "documents", "allowed": "allowed by", "live": "live in", "past": "was part of",
        "withdrawn": "withdrawn releases",
        "nothing": "nothing yet",
        "log": "log", "whole": "whole, {n} entries", "broken": "BROKEN: {p}", "open": "no end", "public": "public",
        "personal": "personal", "community": "community", "sacred": "sacred", "unclassified": "unclassified",
        "person": "person", "authority": "authority", "ended": "not in force",
    },
    "fr": {
        "title": "Rapport sur les consentements", "notes": "Notes", "class": "classe", "in": "admises",
        "out": "exclues", "who": "Qui a permis quoi",
        "holder": "titulaire", "kind": "à titre de",
        "uses": "usages", "until": "jusqu'au",
        "contact": "contact", "record": "document", "none": "personne n'a encore donné son consentement",
        "used": "Ce qui a été utilisé", "dataset": "jeu de données", "documents": "documents",
        "allowed": "permis par", "live": "en service dans", "past": "faisait partie de",
        "withdrawn": "versions retirées", "nothing": "rien encore",
        "log": "registre", "whole": "intact, {n} entrées", "broken": "ROMPU : {p}",
        "open": "sans fin", "public": "public",
        "personal": "personnel", "community": "communautaire", "sacred": "sacré", "unclassified": "non classé",
        "person": "personne", "authority": "autorité", "ended": "pas en vigueur",
    },
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--language", choices=tuple(WORDS), default="en", help="en or fr (default en)")
    parser.epilog = "With --json the keys are the same in every language."


def run(options: argparse.Namespace, context: Context) -> Result:
    found, releases = survey(context), context.releases.all()
    used = used_datasets(releases, context.home.datasets)
    withdrawn = [one.metadata.name for one in releases if one.state == "withdrawn"]
    return Result(
        schema="iaip.consent-report/1",
        data={
            "language": options.language,
            "live": context.releases.live(),
            "notes": {name: {"in": number, "out": out} for name, (number, out) in found.classes().items()},
            "records": msgspec.to_builtins(agreements(found)),
            "used": [_used(one) for one in used],
            "withdrawn": withdrawn,
            "log": {
                "entries": len(found.now.chain.entries),
                "problem": found.now.problem,
                "head": found.now.chain.head,
            },
        },
        text=_text(found, used, withdrawn, WORDS[options.language]),
        code=FAILED if found.now.problem else DONE,
    )


def _used(one: UsedDataset) -> dict[str, Any]:
    return {
        "dataset": one.name,
        "target": one.target,
        "revision": one.revision,
        "documents": one.classes,
        "consents": one.consents,
        "releases": one.releases,
        "live": one.is_live,
    }


def _text(found: Coverage, used: list[UsedDataset], withdrawn: list[str], words: dict[str, str]) -> str:
    chain = found.now.chain
    log = words["broken"].format(p=chain.problem) if chain.problem else words["whole"].format(n=len(chain.entries))
    lines = [words["title"], f"{words['log']}: {log}", "", words["notes"]]
    rows = [[words[name], str(number), str(out)] for name, (number, out) in found.classes().items()]
    lines += [table([words["class"], words["in"], words["out"]], rows) if rows else words["nothing"], "", words["who"]]
    lines += [_holders(found, words), "", words["used"]]
    lines += [_line(one, words) for one in used] or [words["nothing"]]
    if withdrawn:
        lines += ["", f"{words['withdrawn']}: {', '.join(withdrawn)}"]
    return "\n".join(lines)


def _holders(found: Coverage, words: dict[str, str]) -> str:
    records = agreements(found)
    if not records:
        return words["none"]
    header = [words[key] for key in ("record", "holder", "kind", "uses", "documents", "until", "contact")]
    return table(
        header,
        [
            [
                f"{one.record}@{one.revision}",
                one.holder,
                words[one.kind],
                ", ".join(one.uses),
                str(one.documents),
                (one.until or words["open"]) if one.in_force else words["ended"],
                one.contact,
            ]
            for one in records
        ],
    )


def _line(one: UsedDataset, words: dict[str, str]) -> str:
    classes = ", ".join(f"{number} {words[name]}" for name, number in one.classes.items())
    told = f"{words['dataset']} {one.name} ({one.target}): {words['documents']} {classes}"
    if consents := one.consents:
        told += f"; {words['allowed']} {', '.join(consents)}"
    for key, states in STANDINGS.items():
        names = [name for name, state in one.releases.items() if state in states]
        told += f"; {words[key]} {', '.join(names)}" if names else ""
    return told
