"""iaipctl status: one screen. Is it well, what runs, why not, what is live, is it better than before."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args

import msgspec
from msgspec import Struct

from config.paths import Home
from config.version import VERSION
from daemon.cli.result import DONE, FAILED, NOT_RUNNING, Result
from daemon.cli.root import Context
from daemon.ledger import snapshots
from daemon.ledger.books import Books
from daemon.ledger.pace import PaceRecord
from daemon.ledger.records import Alert, Job
from daemon.ledger.room import WaitsForRoom, sized, waits_for_room
from daemon.socket import Health, ask_health
from daemon.supervision import Supervision
from daemon.system.notices import language_of, retold
from daemon.watching import LastScan, Watching, watching_lines
from jobs.consent.log import ConsentLog, ahead
from jobs.domain.examples import Target
from jobs.domain.states import JobState
from jobs.releases import Release

ANSWER_SECONDS = 2.0
"""A daemon that is well answers in milliseconds; on a machine that is overloaded, later."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Exit code 3 when the daemon is not running, 1 when it runs and does not answer; all else is told all the same."
    )


class _Seen(Struct, frozen=True, kw_only=True):
    """What there is to tell, read once. ``health`` is none while nobody answers, ``down`` why the daemon stays down."""

    pid: int | None
    health: Health | None
    down: str | None
    running: Job | None
    live: Release | None
    counts: dict[str, int]
    pace: PaceRecord | None
    scan: LastScan | None
    watching: Watching
    waits: WaitsForRoom | None
    free: int
    disk: dict[str, str]
    log_problem: str
    clock_problem: str
    denied: dict[str, int]
    unused: list[str]
    copied: datetime | None
    unread: list[Alert]


def run(options: argparse.Namespace, context: Context) -> Result:
    seen = _look(context)
    code = NOT_RUNNING if seen.pid is None else FAILED if seen.health is None else DONE
    data, lines = _data(seen, context.books), _lines(seen, context.books)
    return Result(schema="iaip.status/1", data=data, text="\n".join(lines), code=code)


def _look(context: Context) -> _Seen:
    books, pid = context.books, context.daemon_pid()
    running, live = books.jobs.in_state("running"), context.releases.live()
    log_problem, clock_problem = _consent_log(context.home)
    return _Seen(
        pid=pid,
        health=None if pid is None else ask_health(context.home.socket, os.urandom(16).hex(), ANSWER_SECONDS),
        down=None if pid else Supervision(context.home).read().down,
        running=running[0] if running else None,
        live=None if live is None else context.releases.release(live),
        counts=books.jobs.counts(),
        pace=books.pace.latest() if pid is not None else None,
        scan=books.knowledge.value("last-scan", LastScan),
        watching=books.knowledge.value("watching", Watching) or Watching(),
        waits=waits_for_room(books),
        free=shutil.disk_usage(context.home.root).free,
        disk=books.knowledge.value("encryption", dict[str, str]) or {"level": "cannot tell"},
        log_problem=log_problem,
        clock_problem=clock_problem,
        denied=books.knowledge.value("consent-denied", dict[str, int]) or {},
        unused=_unused_lines(books),
        copied=books.knowledge.moment(snapshots.TAKEN_AT),
        unread=books.alerts.unread(),
    )


def _data(seen: _Seen, books: Books) -> dict[str, Any]:
    live = seen.live
    return {
        "daemon": _daemon_data(seen.pid, seen.health, seen.down),
        "live": {
            "release": live.metadata.name if live else None,
            "state": live.state if live else None,
            "gain": _gain(live),
        },
        "running": None if seen.running is None else _job_data(seen.running),
        "queue": {state.value: seen.counts.get(state, 0) for state in JobState},
        "pace": msgspec.to_builtins(seen.pace),
        "confinement": _confinement(books),
        "last_scan": msgspec.to_builtins(seen.scan),
        "watching": msgspec.to_builtins(seen.watching),
        "disk": {"free": seen.free, "waits": msgspec.to_builtins(seen.waits), "encryption": seen.disk["level"]},
        "consent": {"problem": seen.log_problem, "clock": seen.clock_problem, "denied": seen.denied},
        "ledger": {"copied_at": msgspec.to_builtins(seen.copied)},
        "curated": {"problems": seen.unused},
        "alerts": {"unread": len(seen.unread)},
    }


def _lines(seen: _Seen, books: Books) -> list[str]:
    unused, unread = seen.unused, seen.unread
    return [
        f"daemon   {_daemon_line(seen.pid, seen.health, seen.down)}",
        f"live     {_live_line(seen.live)}",
        f"running  {job_line(seen.running) if seen.pid else _interrupted_line(seen.running)}",
        f"pace     {pace_line(seen.pace)}",
        f"queue    {_queue_line(seen.counts)}{_turn(books)}",
        f"network  {_network_line(books)}",
        f"notes    {_scan_line(seen.scan)}",
        *(f"         {line}" for line in watching_lines(seen.watching, seen.scan)),
        f"consent  {_consent_line(seen.log_problem, seen.clock_problem, seen.denied)}",
        *([f"curated  {len(unused)} lines are not used, the first: {unused[0]}"] if unused else []),
        f"disk     {sized(seen.free)} free" + (f"; {seen.waits.words}" if seen.waits else "") + _open_disk(seen.disk),
        *_old_copy(seen.copied, datetime.now(UTC)),
        f"alerts   {len(unread)} unread" + (f": {_title(unread[-1])}" if unread else ""),
    ]


def _daemon_data(pid: int | None, health: Health | None, down: str | None) -> dict[str, Any]:
    return {
        "running": pid is not None,
        "pid": pid,
        "stays_down": down,
        "answers": health is not None,
        "version": None if health is None else health.version,
    }


def _daemon_line(pid: int | None, health: Health | None, down: str | None) -> str:
    if pid is None and down is not None:
        return f"stays down: {down}. `iaipctl doctor` tells more, `iaipctl start` tries again"
    if pid is None:
        return "not running: start it with `iaipctl start` (`iaipctl install` the first time), or `iaipd` by hand"
    if health is None:
        return f"pid {pid} does not answer: it is starting, ending or stuck; `iaipctl doctor agent` tells more"
    if health.version != VERSION:
        return f"running, pid {pid}, version {health.version}; {VERSION} is installed: `iaipctl restart`"
    return f"running, pid {pid}"


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


def _interrupted_line(job: Job | None) -> str:
    """The ledger says that a job runs until the next daemon has looked."""
    if job is None:
        return job_line(None)
    step = "" if job.progress is None else f" at step {job.progress.step}/{job.progress.steps}"
    return f"nothing: {job.target or 'examples'} {job.stage} was interrupted{step} and goes on when the daemon starts"


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


def _turn(books: Books) -> str:
    """Why the first job of a run that could run does not."""
    told = next(filter(None, map(books.jobs.waits_its_turn, books.jobs.in_state("queued"))), "")
    return f"; {told}" if told else ""


def _title(alert: Alert) -> str:
    """In the language of this terminal."""
    return retold(alert.kind, alert.about, language_of(os.environ)) or alert.title


def _consent_log(home: Home) -> tuple[str, str]:
    """What is wrong with the log as it stands now, and with the clock."""
    book, now = ConsentLog(home.consent), datetime.now(UTC)
    chain = book.chain()
    return chain.problem, ahead(book.day(now, chain), now)


def _consent_line(broken: str, clock: str, denied: dict[str, int]) -> str:
    if broken:
        return f"THE LOG IS BROKEN: {broken}; see `iaipctl consent verify`"
    if clock:
        return f"THE CLOCK AND THE LOG DIFFER: {clock}; see `iaipctl consent verify`"
    out = ", ".join(f"{number} {reason}" for reason, number in denied.items())
    return f"left out: {out}; see `iaipctl consent coverage`" if out else "nothing left out"


def _unused_lines(books: Books) -> list[str]:
    """Each hand-made line that the newest dataset of its target could not use, by file and line."""
    told = [books.knowledge.value(f"curated-problems:{target}", list[str]) or [] for target in get_args(Target)]
    return [f"curated/{problem}" for problems in told for problem in problems]


def _open_disk(found: Mapping[str, str]) -> str:
    """Nothing where it is encrypted, or where nobody can tell: `doctor` says that."""
    return f"; {found['told']}: see `iaipctl doctor encryption`" if found["level"] == "warn" else ""


def _old_copy(copied: datetime | None, now: datetime) -> list[str]:
    if copied is None or not snapshots.is_old(copied, now):
        return []
    return [f"ledger   its newest copy is {(now - copied).days} days old: `iaipctl ledger`, `iaipctl alerts`"]


def _scan_line(scan: LastScan | None) -> str:
    if scan is None:
        return "not scanned yet"
    told = f"{scan.documents} documents, last scan {scan.at:%Y-%m-%d %H:%M} UTC"
    left_out = ", ".join(f"{count} {reason}" for reason, count in scan.left_out.items() if count)
    if left_out:
        told += f"; left out: {left_out}"
    if scan.unreadable_folders:
        told += f"; {scan.unreadable_folders} folders cannot be read"
    return told
