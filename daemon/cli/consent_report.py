"""iaipctl consent report: what was used, by whom it was allowed, what is live. In English or French."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import msgspec

from daemon.cli.consent_coverage import survey
from daemon.cli.result import DONE, FAILED, Result, table
from daemon.cli.root import Context
from daemon.consent_uses import Agreed, AgreedGrant, Ended, UsedDataset, agreements, ended, used_datasets
from daemon.web.wording import LANGUAGES, Wording
from jobs.consent.coverage import Coverage
from jobs.consent.withdrawals import Journal

STANDINGS = {
    "report.part-live": ("live", "trial"),
    "report.part-past": ("previous", "rolled-back"),
    "report.part-withdrawn": ("withdrawn",),
}
"""How a release that a dataset went into stands, as the report puts it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--language", choices=LANGUAGES, default="en", help="en or fr (default en)")
    parser.epilog = "With --json the keys are the same in every language. Exit code 1 when the consent log is broken."


def run(options: argparse.Namespace, context: Context) -> Result:
    found, releases = survey(context), context.releases.all()
    used = used_datasets(releases, context.home.datasets)
    over = ended(Journal(context.home.consent))
    withdrawn = [one.metadata.name for one in releases if one.state == "withdrawn"]
    return Result(
        schema="iaip.consent-report/1",
        data={
            "language": options.language,
            "live": context.releases.live(),
            "notes": {name: {"in": number, "out": out} for name, (number, out) in found.classes().items()},
            "records": msgspec.to_builtins(agreements(found)),
            "not_imported": found.now.changes,
            "ended": msgspec.to_builtins(over),
            "used": [_used(one) for one in used],
            "withdrawn": withdrawn,
            "log": {
                "entries": len(found.now.chain.entries),
                "problem": found.now.problem,
                "head": found.now.chain.head,
            },
        },
        text=_text(found, used, over, withdrawn, context.releases.live(), Wording(options.language)),
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


def _text(
    found: Coverage,
    used: Sequence[UsedDataset],
    over: Sequence[Ended],
    withdrawn: Sequence[str],
    live: str | None,
    w: Wording,
) -> str:
    lines = [w.say("consent.report"), _log(found, w)]
    lines += [w.say("report.live", release=live)] if live else []
    lines += ["", w.say("consent.classes")]
    rows = [[w.told(f"class.{name}", name), str(number), str(out)] for name, (number, out) in found.classes().items()]
    header = [w.say("report.class"), w.say("consent.in"), w.say("consent.out")]
    lines += [table(header, rows) if rows else w.say("report.unused"), "", w.say("report.who")]
    lines += [line for one in agreements(found) for line in _agreed(one, w)] or [w.say("report.nobody")]
    lines += [w.say("report.waits", record=name, change=w.say(f"change.{c}")) for name, c in found.now.changes.items()]
    lines += [w.say("report.over", record=one.record, day=one.at, withdrawal=one.withdrawal) for one in over]
    if any("index" in grant.uses for one in agreements(found) for grant in one.grants):
        lines.append(w.say("consent.index"))
    lines += ["", w.say("report.used")]
    lines += [_line(one, w) for one in used] or [w.say("report.unused")]
    if withdrawn:
        lines += ["", f"{w.say('report.withdrawn')}: {', '.join(withdrawn)}"]
    return "\n".join(lines)


def _log(found: Coverage, w: Wording) -> str:
    problem = found.now.problem
    if not problem:
        return w.say("report.log", n=len(found.now.chain.entries))
    return f"{w.say('consent.log-broken')} {w.retold('log-problem.', problem) or problem}"


def _agreed(one: Agreed, w: Wording) -> list[str]:
    """A record, and one line a grant."""
    told = {
        "report.kind": w.told(f"holder.{one.kind}", one.kind),
        "report.agreed": one.agreed,
        "report.language": one.language,
        "report.contact": one.contact,
        "report.conditions": one.conditions,
        "consent.count": w.count(one.documents),
    }
    said = ", ".join(f"{w.say(key).lower()} {value}" for key, value in told.items() if value)
    return [f"{one.record}@{one.revision}: {one.holder}, {said}", *(f"  {_grant(grant, w)}" for grant in one.grants)]


def _grant(grant: AgreedGrant, w: Wording) -> str:
    uses = ", ".join(w.told(f"use.{use}", use) for use in grant.uses)
    days = {"report.from": grant.begins, "report.until": grant.until, "report.season": grant.season}
    parts = [f"{w.say(key).lower()} {value}" for key, value in days.items() if value]
    parts += [] if grant.until else [w.say("report.open")]
    parts += [] if grant.in_force else [w.say("report.ended").upper()]
    return f"{uses} ({', '.join(grant.places)}): {', '.join(parts)}"


def _line(one: UsedDataset, w: Wording) -> str:
    classes = ", ".join(f"{number} {w.told(f'class.{name}', name)}" for name, number in one.classes.items())
    target = w.told(f"target.{one.target}", one.target)
    told = f"{w.say('report.dataset').lower()} {one.name} ({target}): {w.say('consent.count').lower()} {classes}"
    if consents := one.consents:
        told += f"; {w.say('report.allowed').lower()} {', '.join(consents)}"
    for key, states in STANDINGS.items():
        names = [name for name, state in one.releases.items() if state in states]
        told += f"; {w.say(key)} {', '.join(names)}" if names else ""
    return told
