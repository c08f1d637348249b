"""iaipctl consent report: what was used, by whom it was allowed, what is live. In English or French."""

from __future__ import annotations

import argparse
from typing import Any

from daemon.cli.consent_coverage import survey
from daemon.cli.consent_uses import UsedDataset, used_datasets
from daemon.cli.result import Result, table
from daemon.cli.root import Context
from jobs.consent.coverage import Coverage
from jobs.consent.files import Record
from jobs.dataset.permission import sources_by_class
from jobs.domain.consent_log import imported

WORDS = {
    "en": {
        "title": "Consent report", "notes": "Notes", "class": "class", "in": "in", "out": "out",
        "who": "Who allowed what",
        "holder": "holder", "kind": "as", "uses": "uses", "until": "until", "contact": "contact", "record": "record",
        "none": "nobody gave a consent yet", "used": "What was used", "dataset": "dataset",
        "documents": "documents", "allowed": "allowed by", "live": "live in", "past": "was part of",
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
        "allowed": "permis par", "live": "en service dans", "past": "faisait partie de", "nothing": "rien encore",
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
    found, used = survey(context), used_datasets(context)
    return Result(
        schema="iaip.consent-report/1",
        data={
            "language": options.language,
            "live": context.releases.live(),
            "notes": {name: {"in": number, "out": out} for name, (number, out) in found.classes().items()},
            "records": [_record(name, record, found) for name, record in found.now.records.items()],
            "used": [_used(one) for one in used],
            "log": {
                "entries": len(found.now.chain.entries),
                "problem": found.now.problem,
                "head": found.now.chain.head,
            },
        },
        text=_text(found, used, WORDS[options.language]),
    )


def _record(name: str, record: Record, found: Coverage) -> dict[str, Any]:
    stem = name.removesuffix(".toml")
    revision = imported(found.now.chain)[name].number
    return {
        "record": stem,
        "revision": revision,
        "holder": record.holder,
        "kind": record.kind,
        "contact": record.contact,
        "agreed": record.agreed.isoformat(),
        "uses": sorted({use for grant in record.grant for use in grant.uses}),
        "until": max((grant.until.isoformat() if grant.until else "" for grant in record.grant), default=""),
        "in_force": any(grant.record == stem for grant in found.now.terms.grants),
        "documents": sum(f"{stem}@{revision}" in document.ruling.consents for document in found.documents),
    }


def _used(one: UsedDataset) -> dict[str, Any]:
    return {
        "dataset": one.manifest.name,
        "target": one.manifest.target,
        "revision": one.manifest.consent,
        "documents": sources_by_class(one.manifest.sources),
        "consents": one.consents(),
        "releases": one.releases,
        "live": one.is_live,
    }


def _text(found: Coverage, used: list[UsedDataset], words: dict[str, str]) -> str:
    chain = found.now.chain
    log = words["broken"].format(p=chain.problem) if chain.problem else words["whole"].format(n=len(chain.entries))
    lines = [words["title"], f"{words['log']}: {log}", "", words["notes"]]
    rows = [[words[name], str(number), str(out)] for name, (number, out) in found.classes().items()]
    lines += [table([words["class"], words["in"], words["out"]], rows) if rows else words["nothing"], "", words["who"]]
    lines += [_holders(found, words), "", words["used"]]
    return "\n".join([*lines, *([_line(one, words) for one in used] or [words["nothing"]])])


def _holders(found: Coverage, words: dict[str, str]) -> str:
    records = [_record(name, record, found) for name, record in found.now.records.items()]
    if not records:
        return words["none"]
    header = [words[key] for key in ("record", "holder", "kind", "uses", "documents", "until", "contact")]
    return table(
        header,
        [
            [
                f"{one['record']}@{one['revision']}",
                one["holder"],
                words[one["kind"]],
                ", ".join(one["uses"]),
                str(one["documents"]),
                (one["until"] or words["open"]) if one["in_force"] else words["ended"],
                one["contact"],
            ]
            for one in records
        ],
    )


def _line(one: UsedDataset, words: dict[str, str]) -> str:
    classes = ", ".join(f"{number} {words[name]}" for name, number in sources_by_class(one.manifest.sources).items())
    told = f"{words['dataset']} {one.manifest.name} ({one.manifest.target}): {words['documents']} {classes}"
    if consents := one.consents():
        told += f"; {words['allowed']} {', '.join(consents)}"
    for key, live in (("live", True), ("past", False)):
        names = [name for name, state in one.releases.items() if (state in ("live", "trial")) is live]
        told += f"; {words[key]} {', '.join(names)}" if names else ""
    return told
