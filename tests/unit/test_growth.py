"""``status`` costs the same at any size: no question of it reads a growing table from end to end."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.paths import Home
from daemon.cli import queue, status, verdict, wait
from daemon.cli.root import Context
from daemon.ledger.books import open_books
from daemon.ledger.results import KEPT_ALERTS, KEPT_REQUESTS

NOW = datetime(2026, 1, 2, tzinfo=UTC)
BOUNDED = ("json_each", "job_count", "alert", "document")
"""Tables that do not grow: arguments, a row a state, the newest thousand; documents are the owner's."""


@pytest.fixture
def context(tmp_path: Path) -> Context:
    books = open_books(tmp_path / "ledger.sqlite")
    books.jobs.start_run("embedding", cause="c", forced=False, now=NOW)
    books.alerts.post("k", "t", "b", NOW)
    books.database.close()
    return Context(Home(root=tmp_path))


def asked_by(context: Context, command: object, **options: object) -> list[str]:
    """Every statement that a command puts to the ledger."""
    asked: list[str] = []
    context.books.database._connection.set_trace_callback(asked.append)
    command.run(argparse.Namespace(**options), context)  # type: ignore[attr-defined]
    context.books.database._connection.set_trace_callback(None)
    assert asked
    return asked


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (status, {}),
        (queue, {"action": "list", "limit": 20, "job": None}),
        (queue, {"action": "show", "job": 1}),
        (wait, {"run": None, "timeout": 0.0}),
    ],
)
def test_no_growing_table_is_scanned(context: Context, command: object, options: dict[str, object]) -> None:
    for statement in asked_by(context, command, **options):
        for row in context.books.database.rows(f"EXPLAIN QUERY PLAN {statement}"):
            words = row["detail"].split()
            newest = "LIMIT" in statement and "ORDER BY id DESC" in statement
            ordered = newest and ("WHERE" not in statement or "USING INDEX" in row["detail"])
            assert words[0] != "SCAN" or words[1] in BOUNDED or ordered, (statement, row["detail"])
            assert not row["detail"].startswith("USE TEMP B-TREE") or "json_each" in statement, statement


def test_the_latest_verdict_is_found_among_those_alone(context: Context) -> None:
    [statement] = asked_by(context, verdict, run=None, target=None)
    plan = " ".join(row["detail"] for row in context.books.database.rows(f"EXPLAIN QUERY PLAN {statement}"))
    assert "USING INDEX job_judged" in plan


def test_alerts_and_answered_requests_do_not_pile_up(tmp_path: Path) -> None:
    books = open_books(tmp_path / "ledger.sqlite")
    with books.database.transaction():
        for number in range(KEPT_ALERTS + 5):
            books.alerts.post("k", str(number), "b", NOW, about=str(number))
        for number in range(KEPT_REQUESTS + 5):
            books.requests.take(str(number), "run", {}, NOW)
        for request in books.requests.waiting()[2:]:
            books.requests.handled(request.id, {}, NOW)
    books.alerts.forget_old()
    books.requests.forget_old()
    alerts = books.alerts.unread()
    assert (len(alerts), alerts[0].title) == (KEPT_ALERTS, "5")
    assert len(books.requests.waiting()) == 2, "what nobody answered yet stays"
    assert books.requests.answer(str(KEPT_REQUESTS + 4)) == {}
    [kept] = books.database.rows("SELECT count(*) AS n FROM request")
    assert kept["n"] == KEPT_REQUESTS + 2
