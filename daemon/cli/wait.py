"""iaipctl wait [RUN]: until a run has ended. The exit code tells how."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

import msgspec

from daemon.cli.result import DONE, FAILED, NOT_FOUND, NOT_RUNNING, REFUSED, TRY_LATER, Result
from daemon.cli.root import Context
from daemon.cli.status import job_line
from daemon.ledger.records import Job
from daemon.ledger.room import waits_for_room
from jobs.wire import UNGOVERNED_STAGES

POLL_SECONDS = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", type=int, help="the run's number (default: the latest)")
    parser.add_argument(
        "--timeout", type=float, default=None, metavar="SECONDS", help="give up after so long (exit 75)"
    )


def run(options: argparse.Namespace, context: Context) -> Result:
    latest = context.books.jobs.latest_run()
    number = options.run or (latest.id if latest else None)
    if number is None:
        return Result(
            schema="iaip.wait/1",
            data={"run": None},
            text="",
            talk="there was no run yet; start one: `iaipctl run embedding`",
            code=NOT_FOUND,
        )
    return until_ended(number, options.timeout, context)


def until_ended(number: int, timeout: float | None, context: Context) -> Result:
    """Shows progress on a terminal's stderr while it waits."""
    deadline = None if timeout is None else time.monotonic() + timeout
    shown = ""
    while (found := context.books.jobs.run(number)).state == "active":
        jobs = context.books.jobs.of_run(number)
        if (vain := _in_vain(number, jobs, deadline, context)) is not None:
            talk, code = vain
            return Result(schema="iaip.wait/1", data={"run": msgspec.to_builtins(found)}, text="", talk=talk, code=code)
        line = _line(jobs, context)
        if line != shown and sys.stderr.isatty():
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
            shown = line
        time.sleep(POLL_SECONDS)
    if shown:
        print(file=sys.stderr)
    return Result(
        schema="iaip.wait/1",
        data={"run": msgspec.to_builtins(found)},
        text=f"run {number}, {found.target}: {found.outcome or found.state}: {found.reason}",
        code=DONE if found.state == "done" else REFUSED if context.books.receipts.refused(number) else FAILED,
    )


def _in_vain(number: int, jobs: Sequence[Job], deadline: float | None, context: Context) -> tuple[str, int] | None:
    """Why waiting for this run ends here, and the exit code; none while it is worth the wait."""
    if context.daemon_pid() is None:
        return "the daemon is not running; the run goes on when it is started: `iaipctl start`", NOT_RUNNING
    if deadline is not None and time.monotonic() > deadline:
        return f"run {number} still goes on", TRY_LATER
    for job in jobs:
        if job.state == "quarantined":
            return f"job {job.id} is in quarantine: {job.error}. Next: {job.remedy}", FAILED
        if job.state == "paused":
            return f"job {job.id} is paused and waits for you: `iaipctl queue resume {job.id}`", TRY_LATER
    return None


def _line(jobs: Sequence[Job], context: Context) -> str:
    """What the run of these jobs does now, or what it waits for."""
    waits = waits_for_room(context.books)
    if waits is not None and waits.job in {job.id for job in jobs}:
        return waits.words
    job = next((job for job in jobs if job.state == "running"), jobs[-1] if jobs else None)
    if job is not None and (turn := context.books.jobs.waits_its_turn(job)):
        return turn
    told = job_line(job) if job is not None and job.state == "running" else "waiting"
    pace = context.books.pace.latest()
    governed = job is not None and job.stage not in UNGOVERNED_STAGES
    if governed and pace is not None and pace.action in ("pause", "checkpoint-and-exit"):
        return f"{told}; paused: {pace.reason}"
    return told
