"""iaipctl status: one screen. Is it well, what runs, why not, what is live, is it better than before."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from daemon.cli.result import DONE, NOT_RUNNING, Result
from daemon.cli.root import Context
from daemon.ledger.books import Books
from daemon.ledger.pace import PaceRecord
from daemon.ledger.records import Job
from jobs.releases import Release


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Exit code 3 when the daemon is not running; the answer is complete all the same."


def run(options: argparse.Namespace, context: Context) -> Result:
    books, pid = context.books, context.daemon_pid()
    jobs = books.jobs.in_state("running")
    running = jobs[0] if jobs else None
    live_name = context.releases.live()
    live = None if live_name is None else context.releases.release(live_name)
    unread = books.alerts.unread()
    scan = books.knowledge.fact("last-scan")
    last_scan: dict[str, Any] | None = None if scan is None else msgspec.json.decode(scan)
    counts = books.jobs.counts()
    pace = books.pace.latest() if pid is not None else None
    data = {
        "daemon": {"running": pid is not None, "pid": pid},
        "live": {"release": live_name, "state": live.state if live else None, "gain": _gain(live)},
        "running": None if running is None else _job_data(running),
        "queue": {
            state: counts.get(state, 0) for state in ("queued", "running", "paused", "done", "failed", "cancelled")
        },
        "pace": None if pace is None else msgspec.to_builtins(pace),
        "confinement": _confinement(books),
        "last_scan": last_scan,
        "alerts": {"unread": len(unread)},
    }
    lines = [
        f"daemon   {'running, pid ' + str(pid) if pid else 'not running: start it with `iaipd`'}",
        f"live     {_live_line(live)}",
        f"running  {job_line(running)}",
        f"pace     {pace_line(pace)}",
        f"queue    {_queue_line(counts)}",
        f"network  {_network_line(books)}",
        f"notes    {_scan_line(last_scan)}",
        f"alerts   {len(unread)} unread" + (f": {unread[-1].title}" if unread else ""),
    ]
    return Result(
        schema="iaip.status/1", data=data, text="\n".join(lines), code=DONE if pid is not None else NOT_RUNNING
    )


def _confinement(books: Books) -> dict[str, Any] | None:
    """How the job that was started last was kept from every network."""
    latest = books.receipts.latest()
    if latest is None:
        return None
    job, receipt = latest
    return {"job": job, "digest": receipt.digest(), "gaps": receipt.gaps(), **msgspec.to_builtins(receipt)}


def _network_line(books: Books) -> str:
    latest = books.receipts.latest()
    return "no job has been started yet" if latest is None else f"job {latest[0]}: {latest[1].in_words()}"


def _gain(live: Release | None) -> dict[str, Any] | None:
    if live is None or live.metadata.gain is None:
        return None
    gain: dict[str, Any] = msgspec.to_builtins(live.metadata.gain)
    return gain


def _live_line(live: Release | None) -> str:
    if live is None:
        return "nothing yet: run `iaipctl init`"
    gain = live.metadata.gain
    if gain is None:
        return f"{live.metadata.name} ({live.state}), as you had it"
    better = f"{gain.metric} {gain.delta:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
    return f"{live.metadata.name} ({live.state}), {live.metadata.target}: {better}"


def _job_data(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "run": job.run,
        "stage": job.stage,
        "target": job.target,
        "phase": job.phase,
        "progress": msgspec.to_builtins(job.progress),
        "attempts": job.attempts,
    }


def job_line(job: Job | None) -> str:
    if job is None:
        return "nothing"
    told = f"{job.target or 'examples'} {job.stage}: {job.phase or 'starting'}"
    if (progress := job.progress) is not None:
        told += (
            f", step {progress.step}/{progress.steps}, loss {progress.loss:.3f},"
            f" {progress.rate:.0f} {progress.unit}/s, {progress.eta / 60:.0f} min left"
        )
    return told


def pace_line(pace: PaceRecord | None) -> str:
    if pace is None:
        return "not known: nobody looks at the machine"
    words = {
        "run": "full speed",
        "slow": f"slowed, rests {pace.rest:.0%} of the time",
        "pause": "paused",
        "checkpoint-and-exit": "paused, its memory given back",
    }
    return f"{words[pace.action]} since {pace.since:%Y-%m-%d %H:%M} UTC: {pace.reason}"


def _queue_line(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "empty"


def _scan_line(scan: dict[str, Any] | None) -> str:
    if scan is None:
        return "not scanned yet"
    told = f"{scan['documents']} documents, last scan {scan['at'][:16].replace('T', ' ')} UTC"
    left_out = ", ".join(f"{count} {reason}" for reason, count in scan["left_out"].items() if count)
    if left_out:
        told += f"; left out: {left_out}"
    if scan["unreadable_folders"]:
        told += f"; {scan['unreadable_folders']} folders cannot be read"
    return told
