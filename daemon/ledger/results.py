"""Every per-query result, how often a query has decided, alerts, and requests from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from daemon.ledger.database import Database
from daemon.ledger.records import Alert, Request, StoredAnswer, alert_of
from daemon.outbox import MOST_SHOWN, may_show, repeats

KEPT_ALERTS = 1000
KEPT_REQUESTS = 1000


class Results:
    def __init__(self, database: Database) -> None:
        self._database = database

    def store(self, run: int, answers: Sequence[StoredAnswer]) -> None:
        """Idempotent: the same answer stored twice is stored once."""
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        run,
                        a.arm,
                        a.query_set,
                        a.query,
                        msgspec.json.encode(a.metrics).decode(),
                        msgspec.json.encode(a.documents).decode(),
                        a.milliseconds,
                    )
                    for a in answers
                ],
            )

    def answers(self, run: int) -> list[StoredAnswer]:
        return [
            StoredAnswer(
                arm=row["arm"],
                query_set=row["query_set"],
                query=row["query"],
                metrics=msgspec.json.decode(row["metrics"]),
                documents=tuple(msgspec.json.decode(row["documents"])),
                milliseconds=row["milliseconds"],
            )
            for row in self._database.rows("SELECT * FROM answer WHERE run = ? ORDER BY query_set, query, arm", run)
        ]

    def judged(self, target: str, queries: Sequence[str], run: int) -> None:
        """Idempotent. A query stands by its digest in the column that is called ``set_digest``."""
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO judgement VALUES (?, ?, ?)", [(target, query, run) for query in queries]
            )

    def judgements_before(self, target: str, run: int) -> dict[str, int]:
        """How often each query has decided on this target in other runs, by the query's digest."""
        return {
            row["set_digest"]: row["n"]
            for row in self._database.rows(
                "SELECT set_digest, count(*) AS n FROM judgement WHERE target = ? AND run <> ? GROUP BY set_digest",
                target,
                run,
            )
        }


class Alerts:
    """The outbox: an alert is first a row here, then best effort on the desktop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def post(self, kind: str, title: str, body: str, now: datetime, *, about: str = "") -> None:
        """One that repeats an unread one of its kind and subject is counted there, and its words are the newest."""
        with self._database.transaction() as connection:
            same = connection.execute(
                "SELECT id, at FROM alert WHERE acknowledged_at IS NULL AND kind = ? AND about = ? ORDER BY id DESC",
                (kind, about),
            ).fetchone()
            if same is not None and repeats(datetime.fromisoformat(same["at"]), now):
                connection.execute(
                    "UPDATE alert SET times = times + 1, last_at = ?, title = ?, body = ? WHERE id = ?",
                    (now.isoformat(), title, body, same["id"]),
                )
                return
            connection.execute(
                "INSERT INTO alert (at, last_at, kind, about, title, body) VALUES (?, ?, ?, ?, ?, ?)",
                (now.isoformat(), now.isoformat(), kind, about, title, body),
            )

    def undelivered(self) -> list[Alert]:
        return [
            alert_of(row)
            for row in self._database.rows(
                "SELECT * FROM alert WHERE attempted_at IS NULL AND withheld = 0 ORDER BY id"
            )
        ]

    def take(self, alert: int, now: datetime) -> bool:
        """Whether the desktop may be told of it now. Either way it is not asked about again."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT attempted_at FROM alert WHERE attempted_at IS NOT NULL ORDER BY attempted_at DESC LIMIT ?",
                (MOST_SHOWN,),
            )
            allowed = may_show([datetime.fromisoformat(row["attempted_at"]) for row in rows], now)
            how, value = ("attempted_at", now.isoformat()) if allowed else ("withheld", 1)
            connection.execute(f"UPDATE alert SET {how} = ? WHERE id = ?", (value, alert))  # noqa: S608 - one of two names
        return allowed

    def attempted(self, alert: int, now: datetime) -> None:
        with self._database.transaction() as connection:
            connection.execute("UPDATE alert SET attempted_at = ? WHERE id = ?", (now.isoformat(), alert))

    def unread(self) -> list[Alert]:
        return [
            alert_of(r) for r in self._database.rows("SELECT * FROM alert WHERE acknowledged_at IS NULL ORDER BY id")
        ]

    def forget_old(self, kept: int = KEPT_ALERTS) -> None:
        """Only the newest ``kept`` stay, read or not."""
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM alert WHERE id <= (SELECT id FROM alert ORDER BY id DESC LIMIT 1 OFFSET ?)", (kept,)
            )

    def acknowledge(self, alert: int, now: datetime) -> bool:
        """False if there is no such alert, or it was read before."""
        with self._database.transaction() as connection:
            return bool(
                connection.execute(
                    "UPDATE alert SET acknowledged_at = ? WHERE id = ? AND acknowledged_at IS NULL",
                    (now.isoformat(), alert),
                ).rowcount
            )


class Requests:
    """What the command line asked of the daemon, and the answers. A request comes out of the spool under its key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, key: str, action: str, argument: dict[str, Any], now: datetime) -> bool:
        """Enters the request of this key; False if it was entered before, and nothing happens."""
        with self._database.transaction() as connection:
            return bool(
                connection.execute(
                    "INSERT INTO request (key, at, action, argument) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    (key, now.isoformat(), action, msgspec.json.encode(argument).decode()),
                ).rowcount
            )

    def waiting(self) -> list[Request]:
        return [
            Request(id=row["id"], action=row["action"], argument=msgspec.json.decode(row["argument"]))
            for row in self._database.rows("SELECT * FROM request WHERE handled_at IS NULL ORDER BY id")
        ]

    def handled(self, request: int, answer: dict[str, Any], now: datetime) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE request SET handled_at = ?, answer = ? WHERE id = ?",
                (now.isoformat(), msgspec.json.encode(answer).decode(), request),
            )

    def answer(self, key: str) -> dict[str, Any] | None:
        row = self._database.row("SELECT answer FROM request WHERE key = ?", key)
        if row is None or row["answer"] is None:
            return None
        decoded: dict[str, Any] = msgspec.json.decode(row["answer"])
        return decoded

    def forget_old(self, kept: int = KEPT_REQUESTS) -> None:
        """Only the newest ``kept`` stay, and whatever is not handled yet."""
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM request WHERE handled_at IS NOT NULL"
                " AND id <= (SELECT id FROM request ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (kept,),
            )
