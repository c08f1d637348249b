"""iaipctl why JOB|RUN|RELEASE: what caused it, and which rule decided."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from daemon.cli.result import NOT_FOUND, USAGE, Result
from daemon.cli.root import Context
from daemon.cli.terminal import visible
from daemon.cli.verdict import query_data
from daemon.ledger import receipts
from daemon.ledger.records import Job
from daemon.ledger.room import waits_for_room
from daemon.web.lineage import manifest, source_changes
from daemon.web.reading import Compared, run_view
from jobs.domain.examples import DatasetManifest
from jobs.domain.results import BaselineResult, ValidationResult
from jobs.wire import UNGOVERNED_STAGES

MOST_NAMED = 10
MOST_MOVED = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", help="a job (job 7), a run (run 3) or a release (v2)", nargs="+")


def run(options: argparse.Namespace, context: Context) -> Result:
    words = [word.lower() for word in options.what]
    match words:
        case [name] if name.startswith("v") and name[1:].isdigit():
            return _release(name, context)
        case ["run", number] if number.isdigit():
            return _run(int(number), context, {}, [])
        case ["job", number] if number.isdigit():
            return _job(int(number), context)
    return Result(schema="iaip.why/1", data={}, text="", talk="say `why run 3`, `why job 7` or `why v2`", code=USAGE)


def _release(name: str, context: Context) -> Result:
    release = context.releases.release(name)
    if release.metadata.run is None:
        text = f"{name} is your QMD configuration and index as they were adopted"
        return Result(schema="iaip.why/1", data={"release": name, "run": None, "lines": [text]}, text=text)
    lines = [f"{name} is {release.state}"]
    if (left := context.releases.left_because(name)) is not None:
        lines.append(f"it was left because: {left}")
    return _run(release.metadata.run, context, {"release": name, "state": release.state}, lines)


def _run(number: int, context: Context, data: dict[str, Any], lines: list[str]) -> Result:
    """``data`` and ``lines`` are what comes first."""
    run = context.books.jobs.run(number)
    told = [*lines, f"run {run.id} of {run.target} started because: {run.cause}"]
    data = {**data, "run": number, "cause": run.cause, "notes": None, "rule": None, "moved": []}
    for job in context.books.jobs.of_run(number):
        decided = _decided(job, context)
        data |= decided.data
        told += decided.lines
        if job.error:
            told += [f"{job.stage} failed: {job.error}", f"next: {job.remedy}"]
    told.append(f"ended: {run.outcome or run.state}" + (f", {run.reason}" if run.reason else ""))
    return Result(schema="iaip.why/1", data={**data, "lines": told}, text="\n".join(told))


class _Decided(Struct, frozen=True, kw_only=True):
    """What a job's result says of the rule that decided, or of what it decided on."""

    lines: list[str] = []
    data: dict[str, Any] = {}


def _decided(job: Job, context: Context) -> _Decided:
    if not job.result or job.run is None:
        return _Decided()
    if job.stage == "dataset":
        return _notes(job, context)
    if job.stage == "baseline":
        baseline = msgspec.convert(job.result, BaselineResult)
        return _Decided(lines=[f"plan: {baseline.plan.reason}", *baseline.problems])
    if job.stage == "train":
        return _Decided(lines=[f"training: {key} {value}" for key, value in job.result.get("facts", {}).items()])
    if job.stage == "validate":
        verdict = msgspec.convert(job.result, ValidationResult).verdict
        moved = _moved(job.run, context)
        return _Decided(
            lines=[f"verdict {verdict.outcome}, rule {verdict.rule}: {verdict.reason}", *map(_move, moved)],
            data={
                "rule": verdict.rule,
                "outcome": verdict.outcome,
                "moved": [query_data(one) for one in moved],
            },
        )
    return _Decided()


def _notes(job: Job, context: Context) -> _Decided:
    """Which notes are new to this run's dataset, against the one of the target's run before."""
    after = _manifest(job, context)
    unused = [f"not used: curated/{problem}" for problem in (job.result or {}).get("curated_problems", ())]
    if after is None:
        return _Decided(lines=["its dataset is not kept any more", *unused])
    row = context.books.database.row(
        "SELECT max(id) AS id FROM job WHERE stage = 'dataset' AND state = 'done' AND run < ? AND target = ?",
        job.run,
        job.target,
    )
    before = None if row is None or row["id"] is None else _manifest(context.books.jobs.job(row["id"]), context)
    changes = source_changes(before, after)
    since = "against the run before" if before is not None else "with no dataset before to compare"
    names = {"new": changes.new, "changed": changes.changed, "gone": changes.gone}
    counts = {**{word: len(found) for word, found in names.items()}, "same": changes.same}
    told = ", ".join(f"{count} {'as they were' if word == 'same' else word}" for word, count in counts.items())
    lines = [f"notes: {told}, {since}", *(line for word, found in names.items() for line in _named(word, found))]
    return _Decided(lines=[*lines, *unused], data={"notes": counts, "note_names": names})


def _named(word: str, notes: Sequence[str]) -> list[str]:
    """The first of them, and how many there are besides."""
    more = [f"  and {len(notes) - MOST_NAMED} more {word}: all with --json"] if len(notes) > MOST_NAMED else []
    return [*(f"  {word}: {visible(note)}" for note in notes[:MOST_NAMED]), *more]


def _manifest(job: Job, context: Context) -> DatasetManifest | None:
    return manifest(context.home.datasets, (job.result or {}).get("dataset"))


def _moved(number: int, context: Context) -> list[Compared]:
    """The queries that gained and lost most."""
    compared = run_view(context.books, number, context.held_out).compared
    gained = [one for one in compared if one.change > 0]
    return gained[:MOST_MOVED] + [one for one in compared if one.change < 0][:MOST_MOVED]


def _move(one: Compared) -> str:
    word = "gained" if one.change > 0 else "lost  "
    places = f"first right note {_place(one.before.place)} → {_place(one.after.place)}"
    return f"{word} {one.change:+.3f}  {visible(one.text)} ({one.query_set}; {places})"


def _place(place: int | None) -> str:
    return "not found" if place is None else f"no. {place}"


def _pace(job: Job, context: Context) -> list[str]:
    """At what pace the machine let the latest attempt go, or why it does not let it start."""
    latest = context.books.pace.latest()
    if job.stage in UNGOVERNED_STAGES:
        return []
    if job.state == "queued" and latest is not None and latest.action in ("pause", "checkpoint-and-exit"):
        return [f"not started yet: {latest.reason}"]
    if job.started_at is None:
        return []
    changes = context.books.pace.changes(job.started_at, job.ended_at or datetime.now(UTC))
    return [f"{change.at:%Y-%m-%dT%H:%M:%S}  pace {change.action}  {change.reason}" for change in changes]


def _told(kind: str, data: str) -> str:
    if kind == receipts.KIND:
        return receipts.read_receipt(data).in_words()
    return "" if data == "{}" else data


def _job(number: int, context: Context) -> Result:
    job = context.books.jobs.job(number)
    rows = context.books.database.rows(
        "SELECT at, kind, data FROM event WHERE job = ? AND kind <> 'progress' ORDER BY id", number
    )
    lines = [f"job {number}: {job.stage} of {job.target or 'the examples'}, {job.state}, {job.attempts} attempts"]
    lines += [f"{row['at'][:19]}  {row['kind']}  {_told(row['kind'], row['data'])}".rstrip() for row in rows]
    if (waits := waits_for_room(context.books)) is not None and waits.job == number:
        lines.append(waits.words)
    if turn := context.books.jobs.waits_its_turn(job):
        lines.append(turn)
    lines += _pace(job, context)
    decided = _decided(job, context)
    lines += decided.lines
    if job.error:
        lines += [f"failed: {job.error}", f"next: {job.remedy}"]
    return Result(
        schema="iaip.why/1",
        data={"job": number, **decided.data, "lines": lines},
        text="\n".join(lines),
        code=0 if rows else NOT_FOUND,
    )
