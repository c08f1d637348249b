"""iaipctl why JOB|RUN|RELEASE: what caused it, and which rule decided."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

import msgspec

from daemon.cli.result import NOT_FOUND, USAGE, Result
from daemon.cli.root import Context
from daemon.ledger import receipts
from daemon.ledger.records import Job
from daemon.ledger.room import waits_for_room
from jobs.domain.results import BaselineResult, ValidationResult
from jobs.wire import UNGOVERNED_STAGES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", help="a job (job 7), a run (run 3) or a release (v2)", nargs="+")


def run(options: argparse.Namespace, context: Context) -> Result:
    words = [word.lower() for word in options.what]
    match words:
        case [name] if name.startswith("v") and name[1:].isdigit():
            return _release(name, context)
        case ["run", number] if number.isdigit():
            return _run(int(number), context)
        case ["job", number] if number.isdigit():
            return _job(int(number), context)
    return Result(schema="iaip.why/1", data={}, text="", talk="say `why run 3`, `why job 7` or `why v2`", code=USAGE)


def _release(name: str, context: Context) -> Result:
    release = context.releases.release(name)
    if release.metadata.run is None:
        text = f"{name} is your QMD configuration and index as they were adopted"
        return Result(schema="iaip.why/1", data={"release": name, "run": None, "lines": [text]}, text=text)
    return _run(release.metadata.run, context)


def _run(number: int, context: Context) -> Result:
    run = context.books.jobs.run(number)
    lines = [f"run {run.id} of {run.target} started because: {run.cause}"]
    for job in context.books.jobs.of_run(number):
        if job.result and job.stage == "baseline":
            baseline = msgspec.convert(job.result, BaselineResult)
            lines += [f"plan: {baseline.plan.reason}", *baseline.problems]
        if job.result and job.stage == "train" and "facts" in job.result:
            lines += [f"training: {key} {value}" for key, value in job.result["facts"].items()]
        if job.result and job.stage == "validate":
            verdict = msgspec.convert(job.result, ValidationResult).verdict
            lines.append(f"verdict {verdict.outcome}, rule {verdict.rule}: {verdict.reason}")
            lines += _moved(number, context)
        if job.error:
            lines += [f"{job.stage} failed: {job.error}", f"next: {job.remedy}"]
    lines.append(f"ended: {run.outcome or run.state}" + (f", {run.reason}" if run.reason else ""))
    return Result(schema="iaip.why/1", data={"run": number, "lines": lines}, text="\n".join(lines))


def _moved(number: int, context: Context) -> list[str]:
    """The queries that gained and lost most, by their ids: their texts stay in the evaluation files."""
    answers = context.books.results.answers(number)
    score = {(a.arm, a.query_set, a.query): a.metrics["nDCG@10"] for a in answers}
    changes = sorted(
        (score[("candidate", s, q)] - value, s, q)
        for (arm, s, q), value in score.items()
        if arm == "current" and ("candidate", s, q) in score
    )
    worst = [f"lost   {change:+.3f}  {name} {query}" for change, name, query in changes[:3] if change < 0]
    best = [f"gained {change:+.3f}  {name} {query}" for change, name, query in changes[::-1][:3] if change > 0]
    return best + worst


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
    lines += _pace(job, context)
    if job.error:
        lines += [f"failed: {job.error}", f"next: {job.remedy}"]
    return Result(
        schema="iaip.why/1", data={"job": number, "lines": lines}, text="\n".join(lines), code=0 if rows else NOT_FOUND
    )
