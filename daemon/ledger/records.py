"""Rows of the ledger as frozen values."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any, cast

import msgspec
from msgspec import Struct

from jobs.domain.artifacts import Progress
from jobs.domain.examples import Target
from jobs.wire import Stage


class Run(Struct, frozen=True, kw_only=True):
    id: int
    target: Target
    cause: str
    forced: bool
    state: str
    outcome: str | None
    reason: str | None
    created_at: datetime
    ended_at: datetime | None


class Owner(Struct, frozen=True, kw_only=True):
    """Who holds a claimed job: exact enough that a reused pid is never taken for it."""

    boot: str
    pid: int
    started: float


class Job(Struct, frozen=True, kw_only=True):
    id: int
    run: int | None
    stage: Stage
    target: Target | None
    state: str
    attempts: int
    reboots: int
    """How often the machine restarted under it since a person last asked for it."""
    lease: int
    owner: Owner | None
    stop_wanted: str | None
    phase: str | None
    progress: Progress | None
    result: dict[str, Any] | None
    error: str | None
    remedy: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class Alert(Struct, frozen=True, kw_only=True):
    """``about``: the target, release, job or collection it is about; with ``kind``: what the same alert is."""

    id: int
    at: datetime
    kind: str
    title: str
    body: str
    attempted_at: datetime | None
    acknowledged_at: datetime | None
    about: str = ""
    times: int = 1
    last_at: datetime | None = None


class Request(Struct, frozen=True, kw_only=True):
    id: int
    action: str
    argument: dict[str, Any]


class StoredAnswer(Struct, frozen=True, kw_only=True):
    arm: str
    query_set: str
    query: str
    metrics: dict[str, float]
    documents: tuple[str, ...]
    milliseconds: float


def run_of(row: sqlite3.Row) -> Run:
    return msgspec.convert(dict(row), Run, strict=False)


def alert_of(row: sqlite3.Row) -> Alert:
    return msgspec.convert(dict(row), Alert, strict=False)


def job_of(row: sqlite3.Row) -> Job:
    values = cast(dict[str, Any], dict(row))
    boot, pid, started = (values.pop(key) for key in ("owner_boot", "owner_pid", "owner_started"))
    values["owner"] = None if boot is None else {"boot": boot, "pid": pid, "started": started}
    for key in ("progress", "result"):
        values[key] = None if values[key] is None else msgspec.json.decode(values[key])
    return msgspec.convert(values, Job, strict=False)
