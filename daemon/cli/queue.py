"""iaipctl queue: the jobs, newest first, and what can be done about one."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from daemon.cli.result import DONE, REFUSED, Result, table
from daemon.cli.root import Context
from daemon.cli.unanswered import unanswered
from daemon.ledger.records import Job

ACTIONS = ("run", "cancel", "retry", "pause", "resume")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "show", *ACTIONS),
        default="list",
        help="list (default) or show; run: try now, whatever state it waits in; cancel, retry, pause or resume",
    )
    parser.add_argument("job", nargs="?", type=int, help="a job's number, for all but list")
    parser.add_argument("--limit", type=int, default=20, help="so many jobs at most (default 20)")


def run(options: argparse.Namespace, context: Context) -> Result:
    if options.action == "list":
        return _list(options.limit, context)
    if options.job is None:
        return Result(
            schema="iaip.queue/1", data={}, text="", talk=f"which job? `iaipctl queue {options.action} NUMBER`", code=2
        )
    found = context.books.jobs.job(options.job)
    if options.action == "show":
        data = msgspec.to_builtins(found)
        shown = {key: value for key, value in data.items() if value is not None and key not in ("result", "owner")}
        text = "\n".join(f"{key:12} {_in_words(value)}" for key, value in shown.items())
        return Result(schema="iaip.job/1", data=data, text=text, talk=f"More: `iaipctl why job {found.id}`")
    return _act(options.action, options.job, context)


def _in_words(value: Any) -> str:
    return ", ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, dict) else str(value)


def _list(limit: int, context: Context) -> Result:
    jobs = context.books.jobs.recent(limit)
    rows = [[str(j.id), str(j.run or "–"), j.target or "–", j.stage, j.state, _note(j)] for j in jobs]
    return Result(
        schema="iaip.queue/1",
        data={"jobs": [_data(job) for job in jobs]},
        text=table(["job", "run", "target", "stage", "state", ""], rows) if rows else "no job yet",
    )


def _data(job: Job) -> dict[str, Any]:
    kept = ("id", "run", "target", "stage", "state", "attempts", "phase", "error", "remedy", "created_at", "ended_at")
    whole: dict[str, Any] = msgspec.to_builtins(job)
    return {key: whole[key] for key in kept}


def _note(job: Job) -> str:
    return (job.error or (job.phase if job.state == "running" else "") or "")[:70]


def _act(action: str, job: int, context: Context) -> Result:
    answer = context.ask("run-now" if action == "run" else action, {"job": job})
    if answer is None:
        return unanswered("iaip.queue/1", {"job": job}, context)
    refused = answer.get("refused")
    return Result(
        schema="iaip.queue/1",
        data=answer,
        text="" if refused else f"job {job}: {answer['state']}",
        talk=f"{refused}. Next: `iaipctl queue`" if refused else "",
        code=REFUSED if refused else DONE,
    )
